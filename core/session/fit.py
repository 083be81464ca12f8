"""Train a run with a function call, without a user interface."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.common.errors import SetupError
from core.config.load import NO_STUDY, changed, load_config
from core.config.schema import Config
from core.events.commands import Stop
from core.events.types import Event
from core.run.folder import DEFAULT_DIR, RunFolder
from core.run.report import read_report
from core.run.summary import RunSummary
from core.session.engine_thread import EXIT_USAGE, EngineResult, EngineThread
from core.session.process_state import restored_process_state


class TrainingFailed(RuntimeError):
    """A run that started and then failed; the message gives the reason, `folder` has its log."""

    def __init__(self, reason: str, folder: Path | None) -> None:
        super().__init__(reason)
        self.folder = folder


@dataclass(frozen=True, slots=True)
class FittedRun:
    """A run that has ended; accepted as a path, for example by `load_run`."""

    folder: Path
    outcome: str
    """`finished`, or `stopped` if a stop was requested."""
    reason: str
    summary: RunSummary
    """Its row in the run list: best val_top1 and val_loss, epochs, times."""

    def __fspath__(self) -> str:
        return str(self.folder)


def fit(
    config: Config | str | Path = "default",
    overrides: Iterable[str] = (),
    values: Mapping[str, Any] = {},
    runs_dir: str | Path = DEFAULT_DIR,
    on_event: Callable[[Event], object] = lambda event: None,
) -> FittedRun:
    """Train with `config` and return the run, whose files are in a folder in `runs_dir`.

    `config` is a Config, a preset name or a YAML file; `overrides` are `KEY=VALUE` texts as on the
    command line, `values` maps dotted keys such as `data.root` to plain values. `on_event` is
    called with every event (`core.events.types`), in the caller's thread.

    Raises SetupError if the run cannot start, leaving nothing behind, and TrainingFailed if it
    fails later. After KeyboardInterrupt, or an exception in `on_event`, the run saves a checkpoint
    and stops before the exception is raised again. Random generators, torch settings, warning
    filters and environment variables of the process are restored.

    >>> run = fit(values={"data.root": "photos", "phases.full.epochs": 3})
    >>> Predictor(load_run(run)).predict(["new.jpg"])
    """
    if isinstance(config, Config):
        resolved = changed(config, overrides, values)
    else:
        resolved = load_config(config, [NO_STUDY, *overrides], values)
    engine = EngineThread(resolved, Path(runs_dir))
    with restored_process_state():
        result = _watch(engine, on_event)
    if result.exit_code == EXIT_USAGE:
        raise SetupError(result.reason)
    folder = engine.folder.path if engine.folder else None
    if folder is None or result.outcome == "failed":
        raise TrainingFailed(result.reason, folder)
    summary = read_report(RunFolder(folder)).summary
    return FittedRun(folder, result.outcome, result.reason, summary)


def _watch(engine: EngineThread, on_event: Callable[[Event], object]) -> EngineResult:
    queue = engine.subscribe()
    engine.start()
    try:
        for record in engine.records(queue):
            on_event(record.event)
    except BaseException:
        engine.send(Stop(reason="interrupted"))
        engine.join()
        raise
    result = engine.join()
    assert result is not None, "the engine thread ended without a result"
    return result
