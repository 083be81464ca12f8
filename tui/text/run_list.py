"""Describe the run list: its columns by width, its cells, and the details of a run."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from core.common import format as fmt
from core.common.text import printable
from tui.preferences.palettes import DARK, Palette, rgb
from tui.text.labels import sentence_case
from tui.text.symbols import SYMBOLS, sparkline

if TYPE_CHECKING:  # the list is drawn before runs are read
    from core.run.query import Sort
    from core.run.summary import RunSummary

SELECTION = "mark"
"""The column of letters of runs selected for a comparison, and of stars."""
_COLUMNS = (
    *(
        SELECTION,
        "status",
        "name",
        "model",
        "phase",
        "epochs",
        "best top-1",
        "best run",
        "val loss",
    ),
    *("time", "started", "tags", "note"),
)
_ALWAYS = (SELECTION, "status", "name")
_BY_IMPORTANCE = (
    "best top-1",
    "epochs",
    "best run",
    "val loss",
    "time",
    "started",
    "phase",
    "model",
)
"""As many of these columns as fit are shown, the first ones first."""
_IF_SPACE_IS_LEFT = ("tags", "note")
"""Columns that are shown where the others are not shortened."""
_IF_NOT_EMPTY = ("best run", *_IF_SPACE_IS_LEFT)
"""Columns that are left out if they are empty."""
_SHORTEST = {"name": 18, "model": 14, "val loss": 8, "tags": 10, "note": 16}
"""Columns that are shortened, to this width, before another one is left out."""
_LONG_NAME = 48
_WIDEN = (("name", _LONG_NAME), *((column, 1 << 30) for column in ("model", *_SHORTEST)))
"""Columns that get left-over space, in this order: up to this width, or until they are whole. One
very long name does not shorten the models of all runs."""
_GAP = 2
"""Cells between two columns."""
_SCROLL_BAR = 2
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
"""The sortable columns with their sort keys in a query."""
STAR, BEST = "✦", "★"
TOGGLE = "study"
"""Key in the style of a study's marker: the id of the study that a click opens or closes."""
LETTERS = "ABCDEFGH"
"""Letters of the runs selected for a comparison, one per run that can be compared."""
_CURVE_CELLS = 12
_PHASE_CELLS = 12
_MOST_DIFFERENCES = 6


def fit_columns(whole: Mapping[str, int], width: int) -> dict[str, int]:
    """Return the columns shown at a terminal width, each with its width.

    `whole` has the widths at which no text is shortened, 0 for empty columns.
    """
    least = {name: min(cells, _SHORTEST.get(name, cells)) for name, cells in whole.items()}
    shown = {name: least[name] for name in _ALWAYS}
    free = width - _SCROLL_BAR - sum(cells + _GAP for cells in shown.values())
    for candidates in (_BY_IMPORTANCE, _IF_SPACE_IS_LEFT):
        for name in candidates:
            if not whole[name]:
                continue
            if least[name] + _GAP > free:
                break
            shown[name] = least[name]
            free -= least[name] + _GAP
        for name, most in _WIDEN:
            if name in shown:
                more = min(free, max(0, min(whole[name], most) - shown[name]))
                shown[name] = max(1, shown[name] + more)
                free -= more
    return {name: shown[name] for name in _COLUMNS if name in shown}


def whole_widths(titles: Mapping[str, str], rows: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the widths at which no title (by column) and no cell of these rows is shortened."""
    widths = dict.fromkeys(titles, 0)
    for row in rows:
        for name, cells in row.items():
            if cells > widths[name]:
                widths[name] = cells
    return {
        name: max(cells, cell_len(titles[name])) if cells or name not in _IF_NOT_EMPTY else 0
        for name, cells in widths.items()
    }


def row_widths(run: "RunSummary", now: float, best: bool = False) -> dict[str, int]:
    """Return the widths of the cells of a run, not shortened."""
    return {name: cell.cell_len for name, cell in all_cells(run, now, best=best).items()}


def titles(sort: "Sort | None") -> dict[str, str]:
    """Return the titles of all columns, with an arrow if the list is sorted by one."""
    return {name: sentence_case(column_title(name, sort)) for name in _COLUMNS}


def column_title(column: str, sort: "Sort | None") -> str:
    """Return a column's title, with an arrow if the list is sorted by it."""
    if column == SELECTION:
        return ""
    if sort is None or SORT_KEYS.get(column) != sort.key:
        return column
    return f"{column} {'▼' if sort.descending else '▲'}"


def best_run_id(runs: Sequence["RunSummary"]) -> str:
    """Return the id of the run with the highest best val top-1, ties broken by the lowest loss.

    Empty where fewer than two runs have one.
    """
    known = [run for run in runs if run.best_val_top1 is not None]
    if len(known) < 2:
        return ""
    return max(known, key=lambda run: (run.best_val_top1 or 0.0, -_loss(run))).id


def _loss(run: "RunSummary") -> float:
    loss = run.best_val_loss
    return math.inf if loss is None or math.isnan(loss) else loss


def status_color(status: str, palette: Palette) -> str:
    """Return the color of a status; its symbol is unique too."""
    if status in ("preparing", "running"):
        return rgb(palette.train)
    if status in ("paused", "stopped", "interrupted"):
        return rgb(palette.val)
    if status in ("failed", "unreadable"):
        return rgb(palette.bad)
    return rgb(palette.best) if status == "finished" else ""


def cells(
    run: "RunSummary",
    widths: Mapping[str, int],
    now: float,
    letter: str = "",
    best: bool = False,
    palette: Palette = DARK,
) -> list[Text]:
    """Return the cells of a run in columns of these widths; names are shown literally, never as
    markup.

    `letter` is the run's letter in a comparison, `best` whether it is the best of the runs shown.
    """
    made = all_cells(run, now, letter, best, palette, widths.get("val loss", _CURVE_CELLS))
    for column in _SHORTEST:
        if column in widths:
            made[column].truncate(widths[column], overflow="ellipsis")
    return [made[column] for column in widths]


def all_cells(
    run: "RunSummary",
    now: float,
    letter: str = "",
    best: bool = False,
    palette: Palette = DARK,
    curve: int = _CURVE_CELLS,
) -> dict[str, Text]:
    """Return the cells of all columns, not shortened."""
    status = f"{SYMBOLS.get(run.status, '?')} {run.status}"
    top1 = Text(justify="right")
    if best:
        top1.append(f"{BEST} ", f"bold {rgb(palette.best)}")
    top1.append(fmt.percent(run.best_val_top1))
    selection = Text(f"{letter or ' '}", f"bold {rgb(palette.train)}")
    selection.append(STAR if run.starred else " ", rgb(palette.star))
    phase = Text(printable(run.phase) or fmt.NONE)
    phase.truncate(_PHASE_CELLS, overflow="ellipsis")
    return {
        SELECTION: selection,
        "status": Text(status, status_color(run.status, palette)),
        "name": Text(printable(run.name)),
        "model": Text(printable(run.model)),
        "phase": phase,
        "epochs": Text(epochs(run), justify="right"),
        "best top-1": top1,
        "best run": Text(),
        "val loss": Text(sparkline(run.val_losses, curve), rgb(palette.val)),
        "time": Text(fmt.duration(run.seconds), justify="right"),
        "started": Text(fmt.NONE if run.started is None else fmt.when(run.started, now)),
        "tags": Text(printable(tags(run))),
        "note": Text(printable("; ".join(part for part in (problem(run), run.note) if part))),
    }


def epochs(run: "RunSummary") -> str:
    """Return the epochs of the phases, as `12+3`."""
    counts = [str(number) for number in run.epochs.values() if number]
    return "+".join(counts) or "0"


def tags(run: "RunSummary") -> str:
    """Return a run's tags, as `#baseline #small`."""
    return " ".join(f"#{tag}" for tag in run.tags)


def problem(run: "RunSummary") -> str:
    """Return what is wrong with a run; empty where nothing is."""
    problems = []
    if run.error:
        problems.append(f"can't be read: {run.error}")
    elif run.status == "interrupted":
        problems.append("process exited unexpectedly")
    elif run.status in ("failed", "stopped"):
        problems.append(run.reason)
    if run.skipped_lines:
        problems.append(f"{fmt.counted(run.skipped_lines, 'unreadable line')} in its journal")
    if run.notes_problem:
        problems.append(f"notes.yaml is invalid: {run.notes_problem}")
    return "; ".join(problems)


def detail(
    run: "RunSummary", now: float, best: bool = False, other: "RunSummary | None" = None
) -> str:
    """Return the details of the highlighted run, including those without a column.

    `other` is its neighbor in the list, with whose configuration it is compared.
    """
    labels = [tags(run), "starred" if run.starred else "", "archived" if run.archived else ""]
    name = [run.name, *labels, "best of the runs shown" if best else ""]
    loss = fmt.loss(run.best_val_loss)
    metrics = f"best val top-1 {fmt.percent(run.best_val_top1)}, val loss {loss}"
    started = "" if run.started is None else f"started {fmt.when(run.started, now)}"
    parts = [run.model, f"phase {run.phase}" if run.phase else "", metrics, started]
    lines = [
        joined(name),
        joined(parts),
        printable(run.path),
        printable(problem(run)),
        f"note: {printable(run.note)}" if run.note else "",
        differences(run, other) if other else "",
    ]
    return "\n".join(line for line in lines if line)


def joined(parts: Sequence[str]) -> str:
    """Return the parts that are not empty, safe to print."""
    return " · ".join(printable(part) for part in parts if part)


def differences(run: "RunSummary", other: "RunSummary") -> str:
    """Return the config differences between a run and another one of the list."""
    if not run.config or not other.config:
        return ""
    name = printable(other.name if other.name != run.name else other.id)
    found = config_changes(other.config, run.config)
    if not found:
        return f"same config as {name}"
    shown = [f"{printable(key)} {printable(value)}" for key, value in found.items()]
    more = len(shown) - _MOST_DIFFERENCES
    shown[_MOST_DIFFERENCES:] = [f"{more} more"] if more > 0 else []
    return f"differs from {name}: {', '.join(shown)}"


def config_changes(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Return the config keys that differ, with both values; `name` is ignored."""
    keys = [key for key in dict.fromkeys((*before, *after)) if key != "name"]
    return {
        key: f"{before.get(key, fmt.NONE)} → {after.get(key, fmt.NONE)}"
        for key in keys
        if before.get(key) != after.get(key)
    }


def empty_text(runs_dir: Path) -> str:
    """Return the hint shown in an empty runs directory."""
    return (
        f"No runs yet in {printable(str(runs_dir))}\n\n"
        "n   train on a folder of images with one subfolder per class,\n"
        "    or run the built-in demo: two minutes, no download, no GPU\n\n"
        "From the shell:  convnext-tui --demo\n"
        "                 convnext-tui --data photos/"
    )


def no_match_text(total: int, archived: int) -> str:
    """Return the text shown when no run matches the filter."""
    hidden = f" {archived} archived; is:archived shows them." if archived else ""
    total_text = f"{fmt.count(total)} in total"
    return f"No run matches the filter ({total_text}).{hidden}\n\nEsc   show all runs"
