"""Export a run as a TensorBoard event file, written by tensorboardX."""

import logging
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from core.analysis.scalars import ScalarSeries, scalars
from core.common.errors import SetupError
from core.common.files import write_atomically
from core.common.nested import flatten
from core.events.journal import JournalReader
from core.run.report import RunReport

DEFAULT_OUT = "tensorboard"
EXTRA = "tensorboard"
_SUFFIX = ".convnext-tui"
_OWN_FILES = f"events.out.tfevents.*{_SUFFIX}"


def export(
    report: RunReport, out: Path, hyperparameters: Collection[str] | None = None
) -> tuple[Path, int]:
    """Write a run's scalars into a subfolder of `out` with its id, replacing an earlier export.

    `hyperparameters` are the config keys by which TensorBoard compares runs, by default all.
    Returns the subfolder and the number of values. Raises SetupError without tensorboardX, OSError.
    """
    writer = _writer()
    series = scalars(JournalReader(report.folder.journal).read())
    folder = out / report.folder.id
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.glob(_OWN_FILES))
    # In a temporary folder: two exports within a second get the same file name.
    with TemporaryDirectory(prefix="convnext-tui-") as temporary:
        _write(writer, report, series, temporary, hyperparameters)
        new = {_copy(path, folder) for path in Path(temporary).iterdir()}
    # Deleted last: a TensorBoard that reads meanwhile finds the old file or both, and the new one,
    # by its purge step, replaces the old scalars.
    for path in before - new:
        path.unlink(missing_ok=True)
    return folder, sum(map(len, series.values()))


def _copy(path: Path, folder: Path) -> Path:
    data = path.read_bytes()
    write_atomically(folder / path.name, lambda file: file.write(data))
    return folder / path.name


def _writer() -> Any:
    try:
        with _hidden("torch"):
            from tensorboardX import SummaryWriter
    except ImportError:
        raise SetupError(
            f"TensorBoard export needs tensorboardX: pip install 'convnext-tui[{EXTRA}]'"
        ) from None
    # It warns of every non-finite value; those are exported on purpose.
    logging.getLogger("tensorboardX.x2num").setLevel(logging.ERROR)
    return SummaryWriter


@contextmanager
def _hidden(module: str) -> Iterator[None]:
    """Hide a module that is not loaded yet, as if it were not installed.

    tensorboardX imports torch if it can, for tensors that this export never has.
    """
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]


def _write(
    writer_class: Any,
    report: RunReport,
    series: ScalarSeries,
    folder: str,
    hyperparameters: Collection[str] | None,
) -> None:
    state = report.state
    with writer_class(folder, purge_step=0, filename_suffix=_SUFFIX) as writer:
        config = flatten(dict(state.config))
        writer.add_text("config", _as_table(config), 0, state.started)
        compared = config if hyperparameters is None else hyperparameters
        _write_hparams(writer, {k: v for k, v in config.items() if k in compared}, report)
        for tag, values in sorted(series.items()):
            for scalar in values:
                writer.add_scalar(tag, scalar.value, scalar.step, scalar.time)


def _write_hparams(writer: Any, config: Mapping[str, Any], report: RunReport) -> None:
    from tensorboardX.summary import hparams

    best = report.state.best
    if best is None:
        return
    metrics = {"best/val_top1": best.result.val_top1, "best/val_loss": best.result.val_loss}
    hparam_values = {
        key: value for key, value in config.items() if isinstance(value, str | int | float)
    }
    for summary in hparams(hparam_values, metrics):
        writer.file_writer.add_summary(summary, walltime=report.state.started)
    for tag, value in metrics.items():
        writer.add_scalar(tag, value, best.result.global_step, best.time)


def _as_table(config: Mapping[str, Any]) -> str:
    """Return config values as a Markdown table, which TensorBoard renders."""
    return "\n".join(["| key | value |", "| --- | --- |", *_rows(config)])


def _rows(config: Mapping[str, Any]) -> Iterator[str]:
    for key, value in config.items():
        shown = " ".join(str(value).split()).replace("|", "\\|").replace("`", "'")
        yield f"| {key} | `{shown}` |"
