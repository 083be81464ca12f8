"""Filter and sort order of the run list: a query, typed or edited with keys and header clicks."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import DataTable

from tui.screens.run_list_actions import RunActionsScreen
from tui.text.run_list import SORT_KEYS
from tui.widgets.host import host

# As in tui.app, the filter bar and the query parser are imported on first use.
if TYPE_CHECKING:
    from core.run.query import Query, Sort
    from core.run.summary import RunSummary
    from core.study.grouped_list import GroupedList
    from core.study.study_summary import StudySummary
    from tui.widgets.filter_bar import FilterBar

_FILTER_KEYS = {"to_list", "clear", "help", "command_palette"}
"""Actions that the footer shows while a filter is typed."""
_LARGEST_FIRST = ("top1", "epochs", "time", "started")


class RunFilterScreen(RunActionsScreen):
    """Base class for the run list: filter and sort order are parts of one query text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/", tooltip="Filter the runs"),
        Binding("s", "sort", "Sort", show=False,
                tooltip="Sort by the next column, or click a column header"),
        Binding("S", "reverse", "Reverse order", show=False, tooltip="Reverse the sort order"),
        Binding("escape", "clear", "Clear",
                tooltip="Clear the filter, or all marks if there is no filter"),
    ]  # fmt: skip

    def __init__(self, runs_dir: Path) -> None:
        super().__init__(runs_dir)
        self._text = ""
        self._terms = ""
        """The last valid query without its sort order."""
        self._query: Query | None = None
        """The last valid query."""
        self._bar: FilterBar | None = None

    @property
    def list_widget(self) -> Widget:
        """The widget that the filter bar is mounted above."""
        raise NotImplementedError

    @property
    def columns(self) -> Sequence[str]:
        """The visible columns."""
        raise NotImplementedError

    @property
    def typing(self) -> bool:
        """Whether the filter has the focus."""
        return self._bar is not None and self._bar.typing

    @property
    def sort(self) -> "Sort | None":
        """The first sort key; None for the default order, newest first."""
        sorts = self._query.sort_orders if self._query else ()
        return sorts[0] if sorts else None

    def grouped_rows(
        self, runs: "Sequence[RunSummary]", studies: "Sequence[StudySummary]"
    ) -> "GroupedList":
        """Return the runs and studies that match the query, in its order."""
        from core.study.grouped_list import GroupedList, grouped

        if self._query is None:  # the directory could not be read
            return GroupedList()
        return grouped(runs, studies, self._query, self.is_open)

    @property
    def is_filtering(self) -> bool:
        """Whether a filter hides runs."""
        return self._query is not None and bool(self._query.tests)

    def is_open(self, study: str) -> bool:
        """Return whether the runs of a study are shown."""
        raise NotImplementedError

    def filter_changed(self) -> None:
        """React to another filter."""

    async def action_filter(self) -> None:
        """Focus the filter."""
        bar = await self._shown_bar()
        if bar:
            bar.begin()

    async def _shown_bar(self) -> "FilterBar | None":
        if not self.list_widget.is_mounted:
            return None  # the runs directory is still being read
        if self._bar is None:
            from tui.widgets.filter_bar import FilterBar

            self._bar = FilterBar(self._text)
            await self.mount(self._bar, before=self.list_widget)
        self._bar.display = True
        self.refresh_bindings()
        return self._bar

    @on(DataTable.HeaderSelected)
    async def _header_clicked(self, event: DataTable.HeaderSelected) -> None:
        key = SORT_KEYS.get(event.column_key.value or "")
        if key:
            await self._sort_by(key)

    async def action_sort(self) -> None:
        """Sort by the next column; after the last one, newest first."""
        keys = [SORT_KEYS[column] for column in self.columns if column in SORT_KEYS]
        current = self.sort.key if self.sort else ""
        following = keys.index(current) + 1 if current in keys else 0
        await self._sort_by(keys[following] if following < len(keys) else "")

    async def action_reverse(self) -> None:
        """Reverse the sort order."""
        from core.run.query import Sort

        sort = self.sort or Sort("id", descending=True)
        await self._set_sort(Sort(sort.key, not sort.descending))

    async def _sort_by(self, key: str) -> None:
        """Sort by a column in its natural order, or reverse it if it is the current one."""
        from core.run.query import Sort

        before = self.sort
        descending = key in _LARGEST_FIRST
        if before and before.key == key:
            descending = not before.descending
        await self._set_sort(Sort(key, descending) if key else None)

    async def _set_sort(self, sort: "Sort | None") -> None:
        from core.run.query import sorted_by

        bar = await self._shown_bar()
        if bar:
            bar.set_query(sorted_by(self._text, sort))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action applies now: while a filter is typed, or not."""
        if action == "filter":
            return not self.typing
        if action == "clear":
            return self._bar_open or bool(self.marked)
        return super().check_action(action, parameters)

    def hides_key(self, action: str) -> bool:
        """Return whether the footer leaves out a key: while a filter is typed, most of them."""
        return (self.typing and action not in _FILTER_KEYS) or super().hides_key(action)

    @property
    def _bar_open(self) -> bool:
        return self._bar is not None and self._bar.display

    def action_clear(self) -> None:
        """Clear the filter; clear all marks if there is none."""
        if self._bar and self._bar_open:
            self._bar.set_query("")
            self._bar.display = False
            self.set_focus(self.list_widget)
            self.refresh_bindings()
        elif self.marked:
            self.marked.clear()
            self.show_runs()

    @work(exclusive=True, group="filter")
    async def _apply_query(self, text: str) -> None:
        """Apply a query; an invalid one shows an error and leaves the list unchanged."""
        from core.run.query import QueryError, parse, sorted_by

        error_text = ""
        try:
            # In a thread: the import of the config keys takes a moment.
            self._query = await asyncio.to_thread(parse, text, host(self).clock())
            terms = sorted_by(text, None)
            if terms != self._terms:
                self._terms = terms
                self.filter_changed()
        except QueryError as error:
            error_text = str(error)
        if self._bar:
            self._bar.show_error(error_text)
        if not error_text:
            self.show_runs()

    def on_filter_bar_changed(self, event: "FilterBar.Changed") -> None:
        """Filter while the query is typed."""
        self._text = event.text
        self._apply_query(event.text)
