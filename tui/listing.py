"""The run list in words: columns by width, cells, and the line about the chosen run."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from core import format as fmt
from core.text import printable
from tui.signs import SYMBOLS, sparkline

if TYPE_CHECKING:  # the list stands before anything of the runs is read
    from core.runs import RunSummary

_COLOURS = {
    "preparing": "#56b4e9",
    "running": "#56b4e9",
    "paused": "#e69f00",
    "finished": "#009e73",
    "stopped": "#e69f00",
    "failed": "#d55e00",
    "interrupted": "#e69f00",
    "unreadable": "#d55e00",
}
# Column and the terminal's width from which it is shown.
_COLUMNS = (
    ("status", 0),
    ("name", 0),
    ("model", 120),
    ("phase", 100),
    ("epochs", 0),
    ("best top-1", 0),
    ("val loss", 0),
    ("time", 0),
    ("started", 100),
    ("note", 170),
)
_NAME_CELLS = 22
_CURVE_CELLS = 12


def columns_for(width: int) -> list[str]:
    """Return the columns that fit into a terminal of this width."""
    return [name for name, least in _COLUMNS if width >= least]


def cells(run: "RunSummary", columns: Sequence[str], now: float) -> list[Text]:
    """Return a run's row; text from outside is shown as it is, never as markup."""
    status = f"{SYMBOLS.get(run.status, '?')} {run.status}"
    made = {
        "status": Text(status, _COLOURS.get(run.status, "")),
        "name": _cut(run.name, _NAME_CELLS),
        "model": _cut(run.model, 30),
        "phase": Text(printable(run.phase) or fmt.NONE),
        "epochs": Text(epochs(run), justify="right"),
        "best top-1": Text(fmt.percent(run.best_val_top1), justify="right"),
        "val loss": Text(sparkline(run.val_losses, _CURVE_CELLS), "#e69f00"),
        "time": Text(fmt.duration(run.seconds), justify="right"),
        "started": Text(fmt.NONE if run.started is None else fmt.when(run.started, now)),
        "note": _cut(note(run), 60),
    }
    return [made[column] for column in columns]


def _cut(text: str, cells: int) -> Text:
    shown = Text(printable(text))
    shown.truncate(cells, overflow="ellipsis")
    return shown


def epochs(run: "RunSummary") -> str:
    """Return the epochs of the phases, as `12+3`."""
    counts = [str(number) for number in run.epochs.values() if number]
    return "+".join(counts) or "0"


def note(run: "RunSummary") -> str:
    """Return what is out of the ordinary about a run; empty when nothing is."""
    said = []
    if run.error:
        said.append(f"can't be read: {run.error}")
    elif run.status == "interrupted":
        said.append("its process is gone without a word")
    elif run.status in ("failed", "stopped"):
        said.append(run.reason)
    if run.skipped_lines:
        said.append(f"{fmt.count(run.skipped_lines)} unreadable lines in its journal")
    return "; ".join(said)


def detail(run: "RunSummary", now: float) -> str:
    """Return the lines about the chosen run: all that the columns had no room for."""
    loss = fmt.loss(run.best_val_loss)
    best = f"best val top-1 {fmt.percent(run.best_val_top1)}, val loss {loss}"
    started = "" if run.started is None else f"started {fmt.when(run.started, now)}"
    parts = [run.model, f"phase {run.phase}" if run.phase else "", best, started]
    first = " · ".join(printable(part) for part in parts if part)
    lines = [printable(run.name), first, printable(run.path), printable(note(run))]
    return "\n".join(line for line in lines if line)


def empty_text(runs_dir: Path) -> str:
    """Return what to do where there is no run yet."""
    return (
        f"No runs yet in {printable(str(runs_dir))}\n\n"
        "n   train on a folder of pictures: one folder a class\n"
        "    the form has the built-in demo too: two minutes, no download, no GPU\n\n"
        "From the shell:  convnext-tui --demo\n"
        "                 convnext-tui --data photos/"
    )
