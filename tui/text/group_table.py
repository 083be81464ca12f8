"""Table of compared groups of runs: mean ± std of each result, differences, and what they show."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.common import format as fmt
from core.common.text import printable
from core.study.run_groups import (
    GroupResult,
    RunGroup,
    group_config,
    group_results,
    statuses,
)
from tui.preferences.palettes import DARK, Color, Palette, rgb
from tui.text.compare_table import WINNER
from tui.text.elide import elided
from tui.text.study_statistics import (
    mean_std,
    method_text,
    missing_text,
    short_verdict,
    unit_of,
    verdict,
)

MAIN_RESULT = "best_val_top1"
"""The result that sentences are about."""
_WIDTH_WITHOUT_TERMINAL = 200
_VALUE_CELLS = 40
_LISTED = 4


def group_heading(group: RunGroup, color: Color, cells: int = 32) -> Text:
    """Return the title of a group's column: its letter in its color, and its name."""
    name = elided(printable(group.name), cells)
    return Text.assemble((f"{group.letter} ", f"bold {rgb(color)}"), name)


def group_rows(
    groups: Sequence[RunGroup],
    found: Sequence[GroupResult],
    palette: Palette = DARK,
    cells: int = _VALUE_CELLS,
) -> list[tuple[str, list[Text]]]:
    """Return the rows of the table by key: a cell for the label, one per group, and with two groups
    one for their difference."""
    rest = [Text()] if len(groups) == 2 else []
    runs = [Text(f"  {statuses(group)}") for group in groups]
    rows = [("runs", [Text("runs"), *runs, *rest])]
    rows += [(result.row.key, _result(result, palette)) for result in found]
    different = group_config(groups)
    title = "config differences" if different else "no config differences"
    rows.append(("differences", [Text(title, "bold"), *(Text() for _ in groups), *rest]))
    for each in different:
        values = [Text(f"  {elided(printable(', '.join(v)), cells)}") for v in each.values]
        rows.append((f"config {each.key}", [Text(printable(each.key)), *values, *rest]))
    return rows


def _result(result: GroupResult, palette: Palette) -> list[Text]:
    row, unit = result.row, unit_of(result.row)
    goal = {"highest": " ↑", "lowest": " ↓"}.get(row.goal, "")
    texts = [mean_std(summary, unit) for summary in result.summaries]
    width = max(map(len, texts))
    best = f"bold {rgb(palette.best)}"
    cells = [
        Text(f"{WINNER if won else ' '} {text:>{width}}", best if won else "")
        for text, won in ((text, n == result.winner) for n, text in enumerate(texts))
    ]
    difference = result.difference
    more = [Text(short_verdict(difference, row.goal, unit))] if difference else []
    return [Text(f"{row.label}{goal}"), *cells, *more]


def group_summary(groups: Sequence[RunGroup], found: Sequence[GroupResult]) -> list[str]:
    """Return sentences: what the main result shows, members without a result, and the method."""
    main = next(result for result in found if result.row.key == MAIN_RESULT)
    sentences = [f"{main.row.label}: {text}" for text in verdicts(main)]
    sentences += [text for sample in main.samples if (text := missing_text(sample))]
    sentences += [text for group in groups if (text := _repeated(group))]
    differences = [each for each in main.ranking.differences if each]
    return [*sentences, text] if (text := method_text(differences)) else sentences


def verdicts(result: GroupResult) -> list[str]:
    """Return what a result shows about the best group and each other one."""
    row, unit = result.row, unit_of(result.row)
    if result.difference is not None:
        return [verdict(result.difference, row.goal, unit)]
    differences = [verdict(each, row.goal, unit) for each in result.ranking.differences if each]
    return differences or ["no results yet"]


def _repeated(group: RunGroup) -> str:
    ids = group.repeated
    if not ids:
        return ""
    more = [fmt.counted(len(ids) - _LISTED, "more", "more")] if len(ids) > _LISTED else []
    names = ", ".join([*map(printable, ids[:_LISTED]), *more])
    return f"{group.letter}: left out, as their config equals that of another run: {names}"


def print_groups(groups: Sequence[RunGroup]) -> None:
    """Print the table and its summary."""
    palette = DARK.runs
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH_WITHOUT_TERMINAL)
    found = group_results(groups)
    table = Table(box=None, pad_edge=False)
    table.add_column(Text(f"mean ± std, {WINNER} shown to be best"), no_wrap=True)
    for group in groups:
        table.add_column(group_heading(group, palette[group.color % len(palette)]), overflow="fold")
    if len(groups) == 2:
        table.add_column(f"{groups[0].letter} − {groups[1].letter} (95% interval)", overflow="fold")
    for _, cells in group_rows(groups, found):
        table.add_row(*cells)
    console.print(table)
    for line in group_summary(groups, found):
        console.print(Text(line))
