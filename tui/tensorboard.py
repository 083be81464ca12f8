"""A run as an event file that TensorBoard reads, written by tensorboardX."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from core.errors import SetupError
from core.flat import flatten
from core.journal import JournalReader
from core.run_report import RunReport
from core.scalars import Series, scalars

DEFAULT_OUT = "tensorboard"
EXTRA = "tensorboard"
_SUFFIX = ".convnext-tui"
_OWN_FILES = f"events.out.tfevents.*{_SUFFIX}"


def export(report: RunReport, out: Path) -> tuple[Path, int]:
    """Write a run into a folder of its name in `out`, in the place of what was written before;
    returns that folder and how many figures it has. Raises SetupError, OSError."""
    write = _writer()
    series = scalars(JournalReader(report.folder.journal).read())
    folder = out / report.folder.id
    folder.mkdir(parents=True, exist_ok=True)
    before = list(folder.glob(_OWN_FILES))
    write(report, series, folder)
    # Only now: a TensorBoard that looks meanwhile finds the old file or both, and the new one
    # tells it to forget the old one's figures.
    for path in before:
        path.unlink(missing_ok=True)
    return folder, sum(map(len, series.values()))


def _writer() -> Any:
    try:
        import tensorboardX  # noqa: F401
    except ImportError:
        raise SetupError(f"this needs tensorboardX: pip install 'convnext-tui[{EXTRA}]'") from None
    return _write


def _write(report: RunReport, series: Series, folder: Path) -> None:
    from tensorboardX import SummaryWriter

    state = report.state
    with SummaryWriter(str(folder), purge_step=0, filename_suffix=_SUFFIX) as writer:
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
