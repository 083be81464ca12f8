"""A run as an event file that TensorBoard reads, written by tensorboardX."""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from core.analysis.scalars import Series, scalars
from core.common.errors import SetupError
from core.common.files import write_atomically
from core.common.nested import flatten
from core.events.journal import JournalReader
from core.run.report import RunReport

DEFAULT_OUT = "tensorboard"
EXTRA = "tensorboard"
_SUFFIX = ".convnext-tui"
_OWN_FILES = f"events.out.tfevents.*{_SUFFIX}"


def export(report: RunReport, out: Path) -> tuple[Path, int]:
    """Write a run into a folder of its name in `out`, in the place of what was written before;
    returns that folder and how many figures it has. Raises SetupError, OSError."""
    writer = _writer()
    series = scalars(JournalReader(report.folder.journal).read())
    folder = out / report.folder.id
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.glob(_OWN_FILES))
    # Apart, as an export within the same second has the same file name.
    with TemporaryDirectory(prefix="convnext-tui-") as apart:
        _write(writer, report, series, apart)
        new = {_put(path, folder) for path in Path(apart).iterdir()}
    # Only now: a TensorBoard that looks meanwhile finds the old file or both, and the new one
    # tells it to forget the old one's figures.
    for path in before - new:
        path.unlink(missing_ok=True)
    return folder, sum(map(len, series.values()))


def _put(path: Path, folder: Path) -> Path:
    data = path.read_bytes()
    write_atomically(folder / path.name, lambda file: file.write(data))
    return folder / path.name


def _writer() -> Any:
    try:
        with _without("torch"):
            from tensorboardX import SummaryWriter
    except ImportError:
        raise SetupError(f"this needs tensorboardX: pip install 'convnext-tui[{EXTRA}]'") from None
    # It warns of every figure that is not a number; those are the run's, and are kept.
    logging.getLogger("tensorboardX.x2num").setLevel(logging.ERROR)
    return SummaryWriter


@contextmanager
def _without(module: str) -> Iterator[None]:
    """Let a module that is not loaded yet be as if it were not installed.

    tensorboardX takes torch where it finds it, for tensors that never come from here.
    """
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]


def _write(writer_class: Any, report: RunReport, series: Series, folder: str) -> None:
    state = report.state
    with writer_class(folder, purge_step=0, filename_suffix=_SUFFIX) as writer:
        settings = flatten(dict(state.config))
        writer.add_text("config", _as_table(settings), 0, state.started)
        _write_hparams(writer, settings, report)
        for name, values in sorted(series.items()):
            for scalar in values:
                writer.add_scalar(name, scalar.value, scalar.step, scalar.time)


def _write_hparams(writer: Any, settings: Mapping[str, Any], report: RunReport) -> None:
    from tensorboardX.summary import hparams

    best = report.state.best
    if best is None:
        return
    figures = {"best/val_top1": best.result.val_top1, "best/val_loss": best.result.val_loss}
    told = {key: value for key, value in settings.items() if isinstance(value, str | int | float)}
    for summary in hparams(told, figures):
        writer.file_writer.add_summary(summary, walltime=report.state.started)
    for name, value in figures.items():
        writer.add_scalar(name, value, best.result.global_step, best.time)


def _as_table(settings: Mapping[str, Any]) -> str:
    """Return settings as the Markdown that TensorBoard shows."""
    return "\n".join(["| key | value |", "| --- | --- |", *_rows(settings)])


def _rows(settings: Mapping[str, Any]) -> Iterator[str]:
    for key, value in settings.items():
        shown = " ".join(str(value).split()).replace("|", "\\|").replace("`", "'")
        yield f"| {key} | `{shown}` |"
