"""Describe a study in the run list: its cells, and its details."""

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from core.common import format as fmt
from core.common.text import printable
from core.study.definition import FOLDS, SEEDS
from core.study.grouped_list import ListRow
from core.study.state import FINISHED
from core.study.study_summary import StudySummary
from tui.preferences.palettes import DARK, Palette, rgb
from tui.text import run_list as listing
from tui.text.elide import elided
from tui.text.study_statistics import PERCENT, mean_std
from tui.text.symbols import SYMBOLS

CLOSED, OPEN = "▸", "▾"
_NOUNS = {SEEDS: ("seed", "seeds"), FOLDS: ("fold", "folds")}
_INDENT = "  "
_FEWEST_NAME_CELLS = 6


def row_cells(
    row: ListRow,
    widths: dict[str, int],
    now: float,
    letter: str = "",
    best: str = "",
    palette: Palette = DARK,
) -> list[Text]:
    """Return the cells of a row in columns of these widths.

    `letter` is its letter in a comparison, `best` the id of the best of the runs shown.
    """
    run, study = row.run, row.study
    if study is None:
        cells = listing.cells(run, widths, now, letter, run.id == best, palette)
        if row.parent and "name" in widths:
            name = elided(printable(row.label), widths["name"] - len(_INDENT))
            cells[list(widths).index("name")] = Text(_INDENT + name)
        return cells
    made = _study_cells(study, row.is_open, now, letter, best, palette, widths.get("name"))
    for column, cells_of in widths.items():
        made[column].truncate(cells_of, overflow="ellipsis")
    return [made[column] for column in widths]


def row_widths(row: ListRow, now: float, best: str = "") -> dict[str, int]:
    """Return the widths of the cells of a row, not shortened."""
    if row.study is None:
        widths = listing.row_widths(row.run, now, row.run.id == best)
        if row.parent:
            widths["name"] = cell_len(printable(row.label)) + len(_INDENT)
        return widths
    made = _study_cells(row.study, row.is_open, now, "", best, DARK, None)
    return {name: cell.cell_len for name, cell in made.items()}


def _study_cells(
    study: StudySummary,
    is_open: bool,
    now: float,
    letter: str,
    best: str,
    palette: Palette,
    name_cells: int | None,
) -> dict[str, Text]:
    """Return the cells of all columns; the name in at most `name_cells`."""
    made = listing.all_cells(study.row, now, letter, palette=palette)
    marker = Style(meta={listing.TOGGLE: study.id})
    name = Text.assemble((f"{OPEN if is_open else CLOSED} ", marker))
    name.append(_name_and_kind(study, None if name_cells is None else name_cells - 2))
    top1 = Text(top1_text(study), justify="right")
    best_run = Text(justify="right")
    if study.best is not None:
        if study.best.run and study.best.run.id == best:
            best_run.append(f"{listing.BEST} ", f"bold {rgb(palette.best)}")
        best_run.append(fmt.percent(study.best.best_val_top1))
    status = Text(status_text(study), listing.status_color(study.row.status, palette))
    if not study.runs:
        made["epochs"], made["time"] = Text(fmt.NONE, justify="right"), Text("")
    return {
        **made,
        "name": name,
        "status": status,
        "phase": Text(""),
        "val loss": Text(""),
        "best top-1": top1,
        "best run": best_run,
    }


def _name_and_kind(study: StudySummary, cells: int | None) -> str:
    name, kind = printable(study.row.name), kind_text(study).removeprefix("sweep, ")
    full = f"{name} · {kind}" if kind else name
    if cells is None or cell_len(full) <= cells:
        return full
    room = cells - cell_len(kind) - 3
    return f"{elided(name, room)} · {kind}" if room >= _FEWEST_NAME_CELLS else elided(name, cells)


def kind_text(study: StudySummary) -> str:
    """Return the kind of a study in words: `5 seeds`, `sweep, 20 trials`; `study` if unknown."""
    number = len(study.members)
    if not study.kind:
        return "study"
    if study.kind in _NOUNS:
        return fmt.counted(number, *_NOUNS[study.kind])
    return f"sweep, {fmt.counted(number, 'trial')}"


def status_text(study: StudySummary) -> str:
    """Return the numbers of members by status, such as `● 3✓ 1● 1○`, with one status in words."""
    symbol = SYMBOLS.get(study.row.status, "?")
    counts = study.counts
    if not counts:
        return f"{symbol} {printable(study.row.status)}"
    if len(counts) == 1:
        ((status, number),) = counts.items()
        return f"{symbol} {number} {printable(status)}"
    return f"{symbol} " + " ".join(f"{n}{SYMBOLS.get(s, '?')}" for s, n in counts.items())


def counts_text(study: StudySummary) -> str:
    """Return the numbers of members by status in words: `3 finished, 1 failed`."""
    return ", ".join(f"{number:,} {printable(s)}" for s, number in study.counts.items())


def top1_text(study: StudySummary) -> str:
    """Return mean ± std of the best val top-1 of the finished members."""
    return mean_std(study.top1, PERCENT)


def study_detail(study: StudySummary, now: float) -> str:
    """Return the details of the highlighted study."""
    row = study.row
    labels = [listing.tags(row), "starred" if row.starred else "",
              "archived" if row.archived else ""]  # fmt: skip
    started = "" if row.started is None else f"created {fmt.when(row.started, now)}"
    finished = len([m for m in study.members if m.status == FINISHED])
    result = ""
    if study.top1.mean is not None:
        of = fmt.counted(finished, "finished run")
        result = f"best val top-1 {top1_text(study)} (mean ± std of {of})"
    best = study.best
    if best is not None and finished > 1:
        result += f", best run {best.member.label} {fmt.percent(best.best_val_top1)}"
    runs = counts_text(study) or "no runs yet"
    lines = [
        listing.joined(
            [row.name, f"study of {kind_text(study)}" if study.kind else "study", *labels]
        ),
        listing.joined([runs, result, row.model, started]),
        printable(row.path),
        printable(row.reason),
        f"notes.yaml is invalid: {printable(row.notes_problem)}" if row.notes_problem else "",
        f"note: {printable(row.note)}" if row.note else "",
    ]
    return "\n".join(line for line in lines if line)
