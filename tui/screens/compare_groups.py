"""Comparison screen for studies: mean and range of groups of runs, and whether they differ."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from core.common.format import counted
from core.common.text import printable
from tui.charts.compare import CompareView
from tui.charts.compare_files import export_groups
from tui.charts.group_compare import group_chart, group_readout
from tui.charts.spec import ChartSpec, LegendItem
from tui.preferences.palettes import Palette
from tui.screens.compare import CompareScreen
from tui.text.compare_table import value_cells
from tui.text.group_table import group_heading, group_rows, group_summary
from tui.viewmodel.group_comparison import GroupComparison
from tui.widgets.host import host

_READ_SECONDS = 2.0
_LABEL = "label"
_DIFFERENCE = "difference"
_NAME_CELLS = (12, 32)


class CompareGroupsScreen(CompareScreen):
    """Compare studies, and single runs with them. A column is a group of runs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "single", "Band",
                tooltip="Mean and range of each group, or the curves of its runs"),
    ]  # fmt: skip

    def __init__(self, paths: Sequence[Path], runs_dir: Path) -> None:
        super().__init__(paths, runs_dir)
        self._groups = GroupComparison(paths)
        self._comparison = self._groups
        self._ticks = 0
        self._verdicts = Static(id="verdicts", markup=False)

    def compose(self) -> ComposeResult:
        """Compose the verdicts above the chart."""
        head, *rest = super().compose()
        yield head
        yield self._verdicts
        yield from rest

    def tick(self, now: float, charts: bool) -> None:
        """Read the studies again every few seconds."""
        self._ticks += 1
        if self._ticks % host(self).rates.ticks_per(_READ_SECONDS) == 0:
            super().tick(now, charts=True)

    @property
    def has_content(self) -> bool:
        """Whether the groups were read."""
        return bool(self._groups.groups)

    def show_head(self) -> None:
        """Show the groups, and what the results say about them."""
        groups, found = self._groups.groups, self._groups.found
        names = " · ".join(f"{group.letter} {printable(group.name)}" for group in groups)
        number = counted(len(groups), "group of runs", "groups of runs")
        self._head.update(Content(f"Comparing {number}: {names}"), layout=False)
        sentences = group_summary(groups, found) if found else ["no results yet"]
        self._verdicts.update(Content("\n".join(sentences)))

    def table_titles(self, palette: Palette) -> dict[str, Text]:
        """Return the titles of the table's columns by key."""
        groups = self._groups.groups
        columns = len(groups) + (len(groups) == 2)
        cells = max(_NAME_CELLS[0], min(_NAME_CELLS[1], value_cells(self.size.width, columns)))
        titles = {_LABEL: Text("mean ± std")}
        for group in groups:
            color = palette.runs[group.color % len(palette.runs)]
            titles[group.letter] = group_heading(group, color, cells)
        if len(groups) == 2:
            titles[_DIFFERENCE] = Text(f"{groups[0].letter} − {groups[1].letter} (95% interval)")
        return titles

    def table_rows(self, palette: Palette) -> list[tuple[str, list[Text]]]:
        """Return the rows of the table by key."""
        return group_rows(self._groups.groups, self._groups.found, palette)

    def curves(self, view: CompareView, palette: Palette) -> ChartSpec:
        """Return the chart of means and ranges, or of all runs."""
        return group_chart(self._groups.groups, view, palette)

    def legend(self, view: CompareView) -> list[LegendItem]:
        """Return the legend of the curves."""
        if view.single:
            return [LegendItem("b mean and range")]
        return [LegendItem("mean, lowest and highest run"), LegendItem("│ b each run")]

    def readout(self, view: CompareView) -> str:
        """Return the values of the groups at the cursor; empty without one."""
        return group_readout(self._groups.groups, view)

    def action_single(self) -> None:
        """Draw the curves of all runs, or mean and range of each group."""
        self._show_view(replace(self.view, single=not self.view.single))

    def export(self, kind: str, folders: Sequence[Path], now: float) -> Path:
        """Write an export; returns its path. Raises OSError."""
        return export_groups(self._groups.groups, self.view, kind, folders, now)
