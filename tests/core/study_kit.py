"""Studies of small images, run in the thread of the test."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.config.schema import Config
from core.events.record import Record
from core.events.types import EpochEnded
from core.study.definition import FOLDS, SEEDS, SWEEP, Study
from core.study.members import Member, folds_options, seeds_options
from core.study.state import MemberState, StudyState
from core.study.sweep.options import sweep_options
from core.study.worker import StudyEnd, StudyWorker, run_new_study

LR: dict[str, object] = {"phases.head.lr": "1e-4..1e-1:log"}
"""Ranges of a sweep over one key."""


@dataclass
class Watcher:
    """Keeps what a worker tells, and may act on it."""

    started: list[str] = field(default_factory=list)
    ended: list[MemberState] = field(default_factory=list)
    worker: StudyWorker | None = None

    def study_started(self, state: StudyState) -> None:
        pass

    def member_started(self, member: Member, run_id: str, is_resumed: bool) -> None:
        self.started.append(f"{'resumed ' if is_resumed else ''}{member.label}")

    def record(self, record: Record) -> None:
        pass

    def member_ended(self, member: MemberState) -> None:
        self.ended.append(member)


class Doing(Watcher):
    """Does something at the end of the first epoch of a member."""

    def __init__(self, label: str, action: Callable[["Doing"], object]) -> None:
        super().__init__()
        self._label, self._action, self._is_done = label, action, False

    def record(self, record: Record) -> None:
        is_there = isinstance(record.event, EpochEnded) and self.started[-1].endswith(self._label)
        if is_there and not self._is_done:
            self._is_done = True
            self._action(self)


def run_study(
    runs_dir: Path, kind: str, config: Config, options: dict[str, Any], watcher: Watcher
) -> StudyEnd:
    def make(study: Study) -> StudyWorker:
        watcher.worker = StudyWorker(study, watcher, is_new=True)
        return watcher.worker

    return run_new_study(runs_dir, kind, config, options, make)


def run_seeds(
    runs_dir: Path, config: Config, count: int, watcher: Watcher | None = None, vary: bool = False
) -> StudyEnd:
    options = seeds_options(config, count, vary)
    return run_study(runs_dir, SEEDS, config, options, watcher or Watcher())


def run_folds(
    runs_dir: Path, config: Config, count: int, watcher: Watcher | None = None
) -> StudyEnd:
    return run_study(runs_dir, FOLDS, config, folds_options(config, count), watcher or Watcher())


def run_sweep(
    runs_dir: Path,
    config: Config,
    ranges: Mapping[str, object],
    watcher: Watcher | None = None,
    **options: Any,
) -> StudyEnd:
    given = sweep_options(config, ranges, **options)
    return run_study(runs_dir, SWEEP, config, given, watcher or Watcher())


def resume(study: Study, watcher: Watcher | None = None) -> StudyEnd:
    return StudyWorker(study, watcher or Watcher()).run()


def optuna_states(study: Study) -> dict[int, list[str]]:
    """States of the sampler's trials by number of the trial."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    storage = optuna.storages.JournalStorage(JournalFileBackend(str(study.sampler)))
    found: dict[int, list[str]] = {}
    for trial in optuna.load_study(study_name="sweep", storage=storage).get_trials():
        found.setdefault(trial.user_attrs["trial"], []).append(trial.state.name)
    return found
