"""The run list in words: columns by width, cells, and the line about the chosen run."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from core.common import format as fmt
from core.common.text import printable
from tui.preferences.palettes import DARK, Palette, rgb
from tui.text.symbols import SYMBOLS, sparkline

if TYPE_CHECKING:  # the list stands before anything of the runs is read
    from core.run.folder import RunSummary
    from core.run.query import Sort

MARKS = "mark"
# Column and the terminal's width from which it is shown.
_COLUMNS = (
    (MARKS, 0),
    ("status", 0),
    ("name", 0),
    ("model", 120),
    ("phase", 100),
    ("epochs", 0),
    ("best top-1", 0),
    ("val loss", 0),
    ("time", 0),
    ("started", 100),
    ("tags", 150),
    ("note", 180),
)
SORT_KEYS = {
    "status": "status",
    "name": "name",
    "model": "model",
    "phase": "phase",
    "epochs": "epochs",
    "best top-1": "top1",
    "val loss": "loss",
    "time": "time",
    "started": "started",
}
"""Columns by which the list can be sorted, and how a query calls that."""
STAR, BEST = "★", "★"
LETTERS = "ABCDEFGH"
"""Signs of the runs that are marked for comparing; as many as are compared at most."""
_NAME_CELLS, _NARROW_NAME_CELLS = 22, 20
_CURVE_CELLS, _NARROW_CURVE_CELLS = 12, 8
_MOST_DIFFERENCES = 6


def columns_for(width: int) -> list[str]:
    """Return the columns that fit into a terminal of this width."""
    return [name for name, least in _COLUMNS if width >= least]


def column_title(column: str, sort: "Sort | None") -> str:
    """Return a column's title, with an arrow where the list is sorted by it."""
    if column == MARKS:
        return ""
    if sort is None or SORT_KEYS.get(column) != sort.key:
        return column
    return f"{column} {'▼' if sort.descending else '▲'}"


def best_run_id(runs: Sequence["RunSummary"]) -> str:
    """Return the id of the run with the highest best top-1, then the lowest loss; empty where
    there is nothing to choose from."""
    known = [run for run in runs if run.best_val_top1 is not None]
    if len(known) < 2:
        return ""
    return max(known, key=lambda run: (run.best_val_top1 or 0.0, -_loss(run))).id


def _loss(run: "RunSummary") -> float:
    loss = run.best_val_loss
    return math.inf if loss is None or math.isnan(loss) else loss


def status_color(status: str, palette: Palette) -> str:
    """Return the colour of a status; its sign says the same."""
    if status in ("preparing", "running"):
        return rgb(palette.train)
    if status in ("paused", "stopped", "interrupted"):
        return rgb(palette.val)
    if status in ("failed", "unreadable"):
        return rgb(palette.bad)
    return rgb(palette.best) if status == "finished" else ""


def cells(
    run: "RunSummary",
    columns: Sequence[str],
    now: float,
    mark: str = "",
    best: bool = False,
    palette: Palette = DARK,
) -> list[Text]:
    """Return a run's row; text from outside is shown as it is, never as markup.

    `mark` is its letter in a comparison to come, `best` says that no run in view is better.
    """
    narrow = "phase" not in columns
    curve = _NARROW_CURVE_CELLS if narrow else _CURVE_CELLS
    status = f"{SYMBOLS.get(run.status, '?')} {run.status}"
    top1 = Text(justify="right")
    if best:
        top1.append(f"{BEST} ", f"bold {rgb(palette.best)}")
    top1.append(fmt.percent(run.best_val_top1))
    marks = Text(f"{mark or ' '}", f"bold {rgb(palette.train)}")
    marks.append(STAR if run.starred else " ", rgb(palette.star))
    made = {
        MARKS: marks,
        "status": Text(status, status_color(run.status, palette)),
        "name": _cut(run.name, _NARROW_NAME_CELLS if narrow else _NAME_CELLS),
        "model": _cut(run.model, 30),
        "phase": Text(printable(run.phase) or fmt.NONE),
        "epochs": Text(epochs(run), justify="right"),
        "best top-1": top1,
        "val loss": Text(sparkline(run.val_losses, curve), rgb(palette.val)),
        "time": Text(fmt.duration(run.seconds), justify="right"),
        "started": Text(fmt.NONE if run.started is None else fmt.when(run.started, now)),
        "tags": _cut(tags(run), 24),
        "note": _cut("; ".join(part for part in (trouble(run), run.note) if part), 60),
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


def tags(run: "RunSummary") -> str:
    """Return a run's tags, as `#baseline #small`."""
    return " ".join(f"#{tag}" for tag in run.tags)


def trouble(run: "RunSummary") -> str:
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
    if run.notes_problem:
        said.append(f"its notes.yaml can't be understood: {run.notes_problem}")
    return "; ".join(said)


def detail(
    run: "RunSummary", now: float, best: bool = False, other: "RunSummary | None" = None
) -> str:
    """Return the lines about the chosen run: all that the columns had no room for.

    `other` is the run beside it in the list, whose configuration it is compared with.
    """
    added = [tags(run), "starred" if run.starred else "", "archived" if run.archived else ""]
    name = [run.name, *added, "the best in view" if best else ""]
    loss = fmt.loss(run.best_val_loss)
    figures = f"best val top-1 {fmt.percent(run.best_val_top1)}, val loss {loss}"
    started = "" if run.started is None else f"started {fmt.when(run.started, now)}"
    parts = [run.model, f"phase {run.phase}" if run.phase else "", figures, started]
    lines = [
        _joined(name),
        _joined(parts),
        printable(run.path),
        printable(trouble(run)),
        f"note: {printable(run.note)}" if run.note else "",
        differences(run, other) if other else "",
    ]
    return "\n".join(line for line in lines if line)


def _joined(parts: Sequence[str]) -> str:
    return " · ".join(printable(part) for part in parts if part)


def differences(run: "RunSummary", other: "RunSummary") -> str:
    """Return how a run is configured differently from another one of the list."""
    if not run.config or not other.config:
        return ""
    than = printable(other.name if other.name != run.name else other.id)
    found = config_changes(other.config, run.config)
    if not found:
        return f"configured like {than}"
    shown = [f"{printable(key)} {printable(value)}" for key, value in found.items()]
    more = len(shown) - _MOST_DIFFERENCES
    shown[_MOST_DIFFERENCES:] = [f"{more} more"] if more > 0 else []
    return f"unlike {than}: {', '.join(shown)}"


def config_changes(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Return the keys that differ, with both values; the name is no difference."""
    keys = [key for key in dict.fromkeys((*before, *after)) if key != "name"]
    return {
        key: f"{before.get(key, fmt.NONE)} → {after.get(key, fmt.NONE)}"
        for key in keys
        if before.get(key) != after.get(key)
    }


def empty_text(runs_dir: Path) -> str:
    """Return what to do where there is no run yet."""
    return (
        f"No runs yet in {printable(str(runs_dir))}\n\n"
        "n   train on a folder of pictures: one folder a class\n"
        "    the form has the built-in demo too: two minutes, no download, no GPU\n\n"
        "From the shell:  convnext-tui --demo\n"
        "                 convnext-tui --data photos/"
    )


def no_match_text(total: int, archived: int) -> str:
    """Return what to say where runs are there, but none fits the filter."""
    hidden = f" {archived} archived: is:archived shows them." if archived else ""
    return f"None of {fmt.count(total)} runs fits the filter.{hidden}\n\nEsc   show all of them"
