"""Format the report on a folder of images for a terminal or a log."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from core.common import format as fmt
from core.common.left_out import left_out_text
from core.common.text import printable
from tui.text.elide import elided

if TYPE_CHECKING:
    from core.data.check import DataReport

_NAME_CELLS, _BAR_CELLS = 24, 40
_SHOWN = 10
"""Files, or groups of files, listed per kind; --json and --report list all."""
_BAR, _BAD, _DIM = "cyan", "yellow", "dim"


def report_text(report: "DataReport", width: int) -> Text:
    """Return the report as text about `width` cells wide."""
    lines = [*_summary(report), *_classes(report, width), *_findings(report), *_verdict(report)]
    return Text("\n").join(lines)


def _summary(report: "DataReport") -> Iterator[Text]:
    parts = "".join(f", {fmt.count(n)} in {part}" for part, n in report.parts.items())
    number = fmt.counted(len(report.classes), "class", "classes")
    classes = f" in {number}" if report.classes else ""
    yield Text(f"{fmt.counted(report.images, 'image')}{classes}{parts}", style="bold")
    if report.sizes:
        sizes = ", ".join(f"{name} {w} x {h}" for name, (w, h) in report.sizes.items())
        yield Text(f"sizes   {sizes}")
        yield Text(f"formats {_counts(report.formats)}")
        yield Text(f"modes   {_counts(report.modes)}")
    for use in report.value_ranges:
        yield Text(f"values  {use.values_text}; value range {use.range_text}")
    if left_out := left_out_text(report.left_out, len(report.damaged)):
        yield Text(left_out)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{printable(name)} {fmt.count(number)}" for name, number in counts.items())


def _classes(report: "DataReport", width: int) -> Iterator[Text]:
    if not report.classes:
        return
    most = max(1, *report.classes.values())
    names = min(
        max(_NAME_CELLS, width // 2), max(cell_len(printable(name)) for name in report.classes)
    )
    bar_cells = max(4, min(_BAR_CELLS, width - names - len(fmt.count(most)) - 2))
    yield Text("")
    for name, count in sorted(report.classes.items(), key=lambda item: (-item[1], item[0])):
        shown = elided(printable(name), names)
        bar = "█" * (max(1, round(bar_cells * count / most)) if count else 0)
        line = Text(f"{set_cell_size(shown, names)} ")
        yield line.append(bar, _BAR).append(f" {fmt.count(count)}")


def _findings(report: "DataReport") -> Iterator[Text]:
    yield from _listed(
        "unreadable, skipped in training",
        [f"{printable(item.path)}: {printable(item.reason)}" for item in report.damaged],
    )
    yield from _listed(
        "file name extension differs from the format; read anyway",
        [f"{printable(item.path)}: {item.content}" for item in report.mismatched],
    )
    yield from _listed(
        "images in a format that is not supported, left out",
        [printable(path) for path in report.unsupported],
    )
    yield from _groups("near-duplicates across classes or splits", report.leaks)
    yield from _groups("identical files", report.duplicates)
    yield from _groups("near-duplicates", report.near_duplicates)
    yield from _listed(
        "folders", [f"{printable(item.path)}: {item.reason}" for item in report.folders]
    )


def _groups(title: str, groups: Sequence[Sequence[str]]) -> Iterator[Text]:
    lines = [_group(group) for group in groups]
    count = f"{fmt.count(sum(map(len, groups)))} in {fmt.counted(len(groups), 'group')}"
    yield from _listed(title, lines, count)


def _group(group: Sequence[str]) -> str:
    more = len(group) - _SHOWN
    names = "  =  ".join(printable(path) for path in group[:_SHOWN])
    return f"{names}  and {fmt.count(more)} more" if more > 0 else names


def _listed(title: str, items: Sequence[str], count: str = "") -> Iterator[Text]:
    if not items:
        return
    yield Text(f"\n{title}: {count or fmt.count(len(items))}", style=_BAD)
    yield from (Text(f"  {item}") for item in items[:_SHOWN])
    if len(items) > _SHOWN:
        yield Text(f"  … and {fmt.count(len(items) - _SHOWN)} more", style=_DIM)


def _verdict(report: "DataReport") -> Iterator[Text]:
    yield Text("")
    for problem in report.problems:
        yield Text(f"! {printable(problem)}", style=_BAD)
    if not report.problems:
        yield Text("✓ no problems found", style="green")
