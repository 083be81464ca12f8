"""Which runs are shown and in which order: a query, typed or made by keys and header clicks."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import DataTable

from tui.screens.run_list_actions import ManagingScreen
from tui.text.run_list import SORT_KEYS

# As in tui.app: the field and what understands it come with the first filter.
if TYPE_CHECKING:
    from core.run.folder import RunSummary
    from core.run.query import Query, Sort
    from tui.widgets.filter_bar import FilterBar

_LARGEST_FIRST = ("top1", "epochs", "time", "started")


class FilteringScreen(ManagingScreen):
    """A list of runs with a query over it: what is typed, sorted and shown is the same text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "filter", key_display="/", tooltip="Show some of the runs only"),
        Binding("s", "sort", "sort", show=False, tooltip="Sort by the next column; or click it"),
        Binding("S", "turn", "turn", show=False, tooltip="Turn the order round"),
        Binding("escape", "clear", "all", show=False, tooltip="No filter, then no marks"),
    ]

    def __init__(self, runs_dir: Path) -> None:
        super().__init__(runs_dir)
        self._text = ""
        self._query: Query | None = None
        """The last one that was understood."""
        self._bar: FilterBar | None = None

    @property
    def list_widget(self) -> Widget:
        """What the filter stands above."""
        raise NotImplementedError

    @property
    def columns(self) -> Sequence[str]:
        """The columns that are shown."""
        raise NotImplementedError

    @property
    def typing(self) -> bool:
        """Whether keys go into the filter."""
        return self._bar is not None and self._bar.typing

    @property
    def sort(self) -> "Sort | None":
        """By what the list is sorted first; None where it is newest first."""
        sorts = self._query.sorts if self._query else ()
        return sorts[0] if sorts else None

    def fitting(self, runs: "list[RunSummary]") -> "list[RunSummary]":
        """Return the runs to be shown, in their order."""
        return self._query.apply(runs) if self._query else runs

    async def action_filter(self) -> None:
        """Let the person type a query."""
        bar = await self._shown_bar()
        if bar:
            bar.begin()

    async def _shown_bar(self) -> "FilterBar | None":
        if not self.list_widget.is_mounted:
            return None  # still reading the directory
        if self._bar is None:
            from tui.widgets.filter_bar import FilterBar

            self._bar = FilterBar(self._text)
            await self.mount(self._bar, before=self.list_widget)
        self._bar.display = True
        return self._bar

    @on(DataTable.HeaderSelected)
    async def _header(self, event: DataTable.HeaderSelected) -> None:
        key = SORT_KEYS.get(event.column_key.value or "")
        if key:
            await self._sort_by(key)

    async def action_sort(self) -> None:
        """Sort by the next column; after the last one, newest first."""
        keys = [SORT_KEYS[column] for column in self.columns if column in SORT_KEYS]
        now = self.sort.key if self.sort else ""
        after = keys.index(now) + 1 if now in keys else 0
        await self._sort_by(keys[after] if after < len(keys) else "")

    async def action_turn(self) -> None:
        """Turn the order round."""
        from core.run.query import Sort

        sort = self.sort or Sort("id", descending=True)
        await self._put_sort(Sort(sort.key, not sort.descending))

    async def _sort_by(self, key: str) -> None:
        """Sort by a column, the most telling end first; by the same one again, the other way."""
        from core.run.query import Sort

        before = self.sort
        descending = key in _LARGEST_FIRST
        if before and before.key == key:
            descending = not before.descending
        await self._put_sort(Sort(key, descending) if key else None)

    async def _put_sort(self, sort: "Sort | None") -> None:
        from core.run.query import sorted_by

        bar = await self._shown_bar()
        if bar:
            bar.put(sorted_by(self._text, sort))

    def action_clear(self) -> None:
        """Show all runs; when all are shown, take the marks away."""
        bar = self._bar
        if bar and bar.display:
            bar.put("")
            bar.display = False
            self.set_focus(self.list_widget)
        elif self.marked:
            self.marked.clear()
            self.show_runs()

    @work(exclusive=True, group="filter")
    async def _understand(self, text: str) -> None:
        """Put a query into force; one that isn't understood changes nothing yet."""
        from core.run.query import QueryError, parse

        problem = ""
        try:
            # In a thread: the keys of the configuration take a moment to import.
            self._query = await asyncio.to_thread(parse, text, self.host.clock())
        except QueryError as error:
            problem = str(error)
        if self._bar:
            self._bar.complain(problem)
        if not problem:
            self.show_runs()

    def on_filter_bar_typed(self, event: "FilterBar.Typed") -> None:
        """Filter while the person types."""
        self._text = event.text
        self._understand(event.text)
