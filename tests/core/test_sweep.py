"""Sweeps: trials are sampled, pruned, claimed by one worker each, and survive kills."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas
import pytest

from core.common.errors import SetupError
from core.config.load import with_values
from core.config.schema import Config
from core.data import split
from core.events.command_file import append_command
from core.events.commands import Stop
from core.events.record import Record
from core.events.types import EpochEnded
from core.model.normalize import NormalizedModel
from core.session.fit import fit
from core.study import study as run_as_function
from core.study import worker
from core.study.definition import SWEEP, Study, create_study, load_study
from core.study.locks import WorkerLock, is_worked_on
from core.study.members import trial_member
from core.study.state import MemberState, StudyState, read_state
from core.study.sweep import sampler, source
from core.study.sweep.options import sweep_of, sweep_options
from core.study.sweep.results import (
    best_so_far,
    key_importances,
    study_objective,
    swept_keys,
)
from tests.core.engine_kit import small_config
from tests.core.study_kit import Watcher, resume, run_sweep

LR: dict[str, object] = {"phases.head.lr": "1e-4..1e-1:log"}
GRID: dict[str, object] = {
    "phases.head.lr": [1e-4, 0.02],
    "phases.head.label_smoothing": "0..0.1:0.1",
}


@pytest.fixture(scope="module")
def config(photos: Path) -> Config:
    return small_config(photos, "phases.head.epochs=1", "phases.full.epochs=0", "name=few")


@pytest.fixture(scope="module")
def grid(config: Config, tmp_path_factory: pytest.TempPathFactory) -> StudyState:
    """A finished grid of two learning rates and two label smoothings, only read."""
    return run_sweep(tmp_path_factory.mktemp("runs"), config, GRID, sampler="grid").state


@pytest.fixture(scope="module")
def sampled(config: Config, tmp_path_factory: pytest.TempPathFactory) -> StudyState:
    """A finished sweep of three trials by TPE, only read."""
    return run_sweep(tmp_path_factory.mktemp("runs"), config, LR, trials=3).state


def statuses(study: Study) -> list[str]:
    return [member.status for member in read_state(study).members]


def values(state: StudyState, key: str = "phases.head.lr") -> list[Any]:
    return [member.member.values[key] for member in state.members]


def optuna_states(study: Study) -> dict[int, list[str]]:
    """States of the sampler's trials by number of the trial."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    storage = optuna.storages.JournalStorage(JournalFileBackend(str(study.sampler)))
    found: dict[int, list[str]] = {}
    for trial in optuna.load_study(study_name="sweep", storage=storage).get_trials():
        found.setdefault(trial.user_attrs["trial"], []).append(trial.state.name)
    return found


def test_a_grid_has_each_combination_once(grid: StudyState) -> None:
    pairs = [tuple(member.member.values.values()) for member in grid.members]
    assert pairs == [(lr, smoothing) for lr in (1e-4, 0.02) for smoothing in (0.0, 0.1)]
    assert grid.status == "finished"
    assert [member.status for member in grid.members] == ["finished"] * 4
    assert [member.member.label for member in grid.members] == [f"trial {n}" for n in range(1, 5)]
    assert optuna_states(grid.study) == {n: ["COMPLETE"] for n in range(1, 5)}


def test_a_grid_finds_the_best_of_runs_made_by_hand(
    config: Config, grid: StudyState, tmp_path: Path
) -> None:
    by_hand = []
    for member in grid.members:
        run = fit(config, values=member.member.values, runs_dir=tmp_path)
        by_hand.append(run.summary.best_val_top1)
    assert [member.objective for member in grid.members] == by_hand
    assert grid.best is not None
    assert grid.best.objective == max(by_hand)  # type: ignore[type-var]


def test_a_sampled_sweep_stays_in_its_range(sampled: StudyState) -> None:
    assert [member.status for member in sampled.members] == ["finished"] * 3
    assert len(set(values(sampled))) == 3
    assert all(1e-4 <= lr <= 1e-1 for lr in values(sampled))
    for member in sampled.members:
        assert member.run is not None
        assert member.run.config["phases.head.lr"] == str(member.member.values["phases.head.lr"])
        assert member.run.config["name"] == f"few {member.member.label}"


class Killed(BaseException):
    """Ends a worker as a kill does: its locks are released, and nothing else happens."""


def killing(*arguments: Any, **options: Any) -> Any:
    raise Killed


class Doing(Watcher):
    """Does something at the end of the first epoch of a trial."""

    def __init__(self, label: str, action: Callable[["Doing"], object]) -> None:
        super().__init__()
        self._label, self._action, self._is_done = label, action, False

    def record(self, record: Record) -> None:
        is_there = isinstance(record.event, EpochEnded) and self.started[-1].endswith(self._label)
        if is_there and not self._is_done:
            self._is_done = True
            self._action(self)


def interrupted_sweep(runs_dir: Path, config: Config, number: int = 2) -> Study:
    """A sweep of three trials whose worker dies after `number - 1` of them."""
    with pytest.raises(Killed):
        run_sweep(runs_dir, config, LR, trials=3)
    (path,) = runs_dir.glob("*-study-*")
    return load_study(path)


@pytest.mark.parametrize("place", ["the trial is recorded", "it has a run", "its result is told"])
def test_a_kill_loses_no_trial_and_repeats_none(
    place: str,
    config: Config,
    sampled: StudyState,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The worker is killed in trial 2, each time before..."""
    calls: list[int] = []

    def second(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            calls.append(1)
            return (killing if len(calls) == 2 else original)(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        owner, name = {
            "the trial is recorded": (source, "append_trial"),
            "it has a run": (worker, "EngineThread"),
            "its result is told": (source.Trials, "member_ended"),
        }[place]
        patch.setattr(owner, name, second(getattr(owner, name)))
        study = interrupted_sweep(tmp_path, config)
    assert not is_worked_on(study)
    watcher = Watcher()
    end = resume(study, watcher)
    assert [member.status for member in end.state.members] == ["finished"] * 3
    first = 3 if place == "its result is told" else 2
    assert watcher.started == [f"trial {number}" for number in range(first, 4)]
    # As without the kill: each is sampled from the seed of its number.
    assert values(end.state) == values(sampled)
    assert len(list(tmp_path.glob("*-trial-*"))) == 3
    lost = {"the trial is recorded": ["FAIL"], "it has a run": ["FAIL"]}.get(place, [])
    expected = {1: ["COMPLETE"], 2: [*lost, "COMPLETE"], 3: ["COMPLETE"]}
    assert optuna_states(study) == expected


def test_files_that_end_within_a_line_are_continued(
    config: Config, sampled: StudyState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(worker, "EngineThread", killing)
        study = interrupted_sweep(tmp_path, config)
    for path in (study.trials, study.sampler):
        with path.open("a") as file:
            file.write('{"trial": 2, "val')
    end = resume(study)
    assert [member.status for member in end.state.members] == ["finished"] * 3
    assert values(end.state) == values(sampled)
    assert [json.loads(line)["trial"] for line in study.trials.read_text().splitlines()] == [
        1,
        2,
        3,
    ]


@pytest.mark.parametrize("content", [None, "not json\n{}\n"])
def test_a_lost_file_of_the_sampler_is_made_again(
    content: str | None, config: Config, sampled: StudyState, tmp_path: Path
) -> None:
    stopping = Doing("trial 3", lambda doing: doing.worker and doing.worker.stop("asked to stop"))
    study = run_sweep(tmp_path, config, LR, stopping, trials=3).state.study
    study.sampler.unlink()
    if content is not None:
        study.sampler.write_text(content)
    end = resume(study)
    assert end.state.status == "finished"
    assert values(end.state) == values(sampled)
    assert optuna_states(study) == {n: ["COMPLETE"] for n in (1, 2, 3)}


def test_a_stopped_trial_is_resumed(config: Config, tmp_path: Path) -> None:
    longer = with_values(config, {"phases.head.epochs": 3})
    stopping = Doing("trial 2", lambda doing: doing.worker and doing.worker.stop("asked to stop"))
    end = run_sweep(tmp_path, longer, LR, stopping, trials=3)
    assert [member.status for member in end.state.members] == ["finished", "stopped", "waiting"]
    assert end.state.members[2].member.values == {}
    watcher = Watcher()
    end = resume(end.state.study, watcher)
    assert watcher.started == ["resumed trial 2", "trial 3"]
    assert end.state.status == "finished"
    assert optuna_states(end.state.study)[2] == ["FAIL", "COMPLETE"]


def test_a_trial_that_is_stopped_alone_is_not_resumed_at_once(
    config: Config, tmp_path: Path
) -> None:
    longer = with_values(config, {"phases.head.epochs": 1000})

    def stop(doing: Doing) -> None:
        (path,) = tmp_path.glob("*-trial-1")
        append_command(path / "commands.jsonl", Stop())

    watcher = Doing("trial 1", stop)
    keys: dict[str, object] = {"phases.head.epochs": [1000, 1]}
    end = run_sweep(tmp_path, longer, keys, watcher, sampler="grid")
    assert watcher.started == ["trial 1", "trial 2"]
    assert [member.status for member in end.state.members] == ["stopped", "finished"]


def test_a_failed_trial_is_told_and_not_repeated(config: Config, tmp_path: Path) -> None:
    failing = with_values(config, {"nonfinite": "stop", "clip_grad_norm": None})
    ranges: dict[str, object] = {"phases.head.lr": [1e-3, 1e30, 1e-2]}
    end = run_sweep(tmp_path, failing, ranges, sampler="grid")
    assert [member.status for member in end.state.members] == ["finished", "failed", "finished"]
    assert "not finite" in end.failed[0].reason
    assert optuna_states(end.state.study)[2] == ["FAIL"]
    watcher = Watcher()
    assert resume(end.state.study, watcher).state.status == "failed"
    assert watcher.started == []


def test_nothing_is_left_of_a_sweep_that_cannot_start(config: Config, tmp_path: Path) -> None:
    ranges: dict[str, object] = {"model.name": ["convnext_none", "convnext_atto"]}
    with pytest.raises(SetupError, match="is not a timm model"):
        run_sweep(tmp_path / "runs", config, ranges, sampler="grid")
    assert not (tmp_path / "runs").exists()


def test_a_pruned_trial_ends_after_the_epoch(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = sampler.Asked.report

    def decide(asked: sampler.Asked, epoch: int, value: float) -> bool:
        report(asked, epoch, value)
        return (asked.number, epoch) == (2, 2)

    monkeypatch.setattr(sampler.Asked, "report", decide)
    longer = with_values(config, {"phases.head.epochs": 4})
    end = run_sweep(tmp_path, longer, LR, trials=3, pruner="median")
    assert [member.status for member in end.state.members] == ["finished", "pruned", "finished"]
    assert end.state.status == "finished"
    run = end.state.members[1].run
    assert run is not None
    assert run.epochs["head"] == 2
    assert run.reason.startswith("pruned after epoch 2 of phase head: val top-1 ")
    assert optuna_states(end.state.study)[2] == ["PRUNED"]
    assert resume(end.state.study).state.status == "finished"
    # Its values so far are not a result.
    assert [number for number, _ in best_so_far(end.state)] == [1, 3]


@pytest.mark.parametrize("pruner", ["median", "halving"])
@pytest.mark.parametrize("objective", ["val_top1", "val_loss"])
def test_the_pruner_stops_a_trial_that_is_worse_than_most(
    pruner: str, objective: str, config: Config, tmp_path: Path
) -> None:
    options = sweep_options(
        config, LR, trials=8, sampler="random", pruner=pruner, objective=objective
    )
    study = create_study(tmp_path, SWEEP, config, options)
    good, bad = (0.9, 0.1) if objective == "val_top1" else (0.1, 0.9)
    asking = sampler.Sampler(study, sweep_of(study), 0)
    ended = []
    for number in range(1, 7):
        asked = asking.ask(number, {})
        asked.report(1, good)
        ended.append(
            MemberState(trial_member(number, asked.values), None, "finished", objective=good)
        )
        asking.sync(ended, ())
    assert not asking.ask(7, {}).report(1, good)
    assert asking.ask(8, {}).report(1, bad)


def test_two_workers_claim_different_trials(config: Config, tmp_path: Path) -> None:
    study = create_study(tmp_path, SWEEP, config, sweep_options(config, LR, trials=3))
    locks = [WorkerLock(study) for _ in range(2)]
    sources = [source.Trials(study, lambda: read_state(study), lock) for lock in locks]
    claimed = [each.next_member() for each in sources]
    assert [one.member.number for one in claimed if one] == [1, 2]
    assert is_worked_on(study)
    # A process that is killed gives up its claim, and another one takes it.
    locks[0].release()
    taken = sources[1].next_member()
    assert taken is not None and claimed[0] is not None
    assert (taken.member.number, taken.member.values) == (1, claimed[0].member.values)
    locks[1].release()
    assert not is_worked_on(study)


def test_a_sweep_of_head_keys_computes_features_once(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[int] = []
    forward = NormalizedModel.forward

    def count(net: NormalizedModel, images: Any) -> Any:
        shown.append(len(images))
        return forward(net, images)

    monkeypatch.setattr(NormalizedModel, "forward", count)
    scans: list[int] = []
    scan = split.scan_images
    monkeypatch.setattr(split, "scan_images", lambda *a: scans.append(1) or scan(*a))
    # Another seed: no features of another test.
    seeded = with_values(config, {"seed": 77, "phases.head.views": 1})
    number: dict[str, int] = {}

    class Counting(Watcher):
        def member_ended(self, member: MemberState) -> None:
            number[member.member.label] = sum(shown)

    run_sweep(tmp_path, seeded, LR, Counting(), trials=3)
    images = 36
    assert number["trial 1"] >= images
    # Only the test for determinism passes through the backbone again.
    assert number["trial 3"] - number["trial 1"] < images
    assert len(scans) == 1


def test_results_of_a_sweep(sampled: StudyState, grid: StudyState) -> None:
    study = grid.study
    objective = study_objective(study)
    assert (objective.figure, objective.label, objective.maximize) == (
        "val_top1",
        "best val top-1",
        True,
    )
    results = [member.objective for member in grid.members]
    best = best_so_far(grid)
    assert [number for number, _ in best] == [1, 2, 3, 4]
    assert [value for _, value in best] == [
        max(results[: n + 1])
        for n in range(4)  # type: ignore[type-var]
    ]
    keys = swept_keys(study)
    assert [(key.is_log, key.is_categorical) for key in keys.values()] == [
        (False, True),
        (False, False),
    ]
    assert swept_keys(sampled.study)["phases.head.lr"].is_log
    found = key_importances(study)
    assert set(found) == set(keys)
    assert sum(found.values()) == pytest.approx(1)
    assert next(iter(found)) == "phases.head.lr"


def test_importance_needs_two_results(config: Config, tmp_path: Path) -> None:
    study = create_study(tmp_path, SWEEP, config, sweep_options(config, LR, trials=3))
    one = MemberState(trial_member(1, {"phases.head.lr": 0.01}), None, "finished", objective=0.5)
    other = replace(one, member=trial_member(2, {"phases.head.lr": 0.02}))
    for members in ((), (one,), (one, other)):
        assert key_importances(study, StudyState(study, members, False)) == {}


def test_a_sweep_as_a_function_returns_a_table(photos: Path, tmp_path: Path) -> None:
    config = small_config(photos, "phases.head.epochs=1", "phases.full.epochs=0")
    table = run_as_function(
        config,
        runs_dir=tmp_path,
        sweep={"phases.head.lr": [0.01, 0.02]},
        sampler="grid",
        objective="val_loss",
    )
    assert list(table["phases.head.lr"]) == [0.01, 0.02]
    assert list(table["status"]) == ["finished"] * 2
    for folder, value in zip(table["folder"], table["objective"], strict=True):
        history = pandas.read_csv(Path(folder) / "history.csv")
        assert value == history["val_loss"].min()
    with pytest.raises(SetupError, match="either seeds, folds or sweep"):
        run_as_function(config, runs_dir=tmp_path, seeds=2, sweep=LR)
