"""Run a study with a function call, without a user interface."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.common.errors import SetupError
from core.config.load import NO_STUDY, changed, load_config, with_default_name
from core.config.schema import Config
from core.events.record import Record
from core.events.types import Event
from core.run.folder import DEFAULT_DIR
from core.session import preflight
from core.session.process_state import restored_process_state
from core.study.definition import FOLDS, SEEDS, SWEEP, Study
from core.study.members import Member, folds_options, seeds_options
from core.study.state import MemberState, StudyState
from core.study.sweep.objective import DEFAULT
from core.study.sweep.options import NO_PRUNER, TPE, sweep_options
from core.study.worker import StudyWorker, run_new_study

if TYPE_CHECKING:
    import pandas


def study(
    config: Config | str | Path = "default",
    overrides: Iterable[str] = (),
    values: Mapping[str, Any] = {},
    runs_dir: str | Path = DEFAULT_DIR,
    seeds: int | None = None,
    vary_split: bool = False,
    folds: int | None = None,
    sweep: Mapping[str, object] | None = None,
    trials: int | None = None,
    sampler: str = TPE,
    pruner: str = NO_PRUNER,
    objective: str = DEFAULT,
    on_event: Callable[[Event], object] = lambda event: None,
) -> "pandas.DataFrame":
    """Train several runs that differ in their seeds, are the folds of a cross-validation, or search
    for the best values of config keys.

    Give `seeds` or `folds`, the number of runs, or `sweep`, the ranges of config keys such as
    `{"phases.head.lr": "1e-4..1e-1:log"}` or a list of values. With `vary_split` each seed has its
    own split. A sweep has `trials` runs, whose values the `sampler` chooses (`tpe`, `random` or
    `grid`); the `pruner` (`none`, `median` or `halving`) stops bad ones early; the `objective` is
    the figure that is searched for, such as `val_loss`. The other arguments are those of `fit`.

    Returns a table with one row per run: `member`, `label`, the varied config keys, `status`,
    `reason`, `run`, `epochs`, for sweeps `objective`, `best_val_top1`, `best_val_loss`, `seconds`
    and `folder`; its `attrs["study"]` is the folder of the study, which has `out_of_fold.csv` for
    folds. A run that fails has its status in the table.

    Raises SetupError if the study cannot start, leaving nothing behind, and after an interruption
    as `fit` does. Process state is restored as by `fit`.

    >>> table = study(values={"data.root": "photos"}, seeds=5)
    >>> table["best_val_top1"].agg(["mean", "std"])
    """
    if isinstance(config, Config):
        resolved = changed(config, overrides, values)
    else:
        resolved = load_config(config, [NO_STUDY, *overrides], values)
    preflight.check(resolved)
    resolved = with_default_name(resolved)
    if sum(each is not None for each in (seeds, folds, sweep)) != 1:
        raise SetupError("a study needs either seeds, folds or sweep")
    if sweep is not None:
        kind = SWEEP
        options = sweep_options(resolved, sweep, trials, sampler, pruner, objective)
    elif folds is not None:
        kind, options = FOLDS, folds_options(resolved, folds)
    else:
        assert seeds is not None
        kind, options = SEEDS, seeds_options(resolved, seeds, vary_split)

    def make_worker(study: Study) -> StudyWorker:
        return StudyWorker(study, _Events(on_event), is_new=True)

    with restored_process_state():
        end = run_new_study(Path(runs_dir), kind, resolved, options, make_worker)
    return _table(end.state)


class _Events:
    """Observer that passes on the events of the runs."""

    def __init__(self, on_event: Callable[[Event], object]) -> None:
        self._on_event = on_event

    def study_started(self, state: StudyState) -> None:
        """Do nothing."""

    def member_started(self, member: Member, run_id: str, is_resumed: bool) -> None:
        """Do nothing: RunStarted tells it."""

    def record(self, record: Record) -> None:
        """Pass on an event."""
        self._on_event(record.event)

    def member_ended(self, member: MemberState) -> None:
        """Do nothing: RunEnded tells it."""


def _table(state: StudyState) -> "pandas.DataFrame":
    import pandas

    folders = [member.run.path if member.run else None for member in state.members]
    table = pandas.DataFrame([member.to_dict() for member in state.members])
    table["folder"] = folders
    table.attrs["study"] = str(state.study.path)
    return table
