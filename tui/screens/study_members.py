"""Keys and table of the members on the study screen: select, sort and open them."""

from pathlib import Path
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from core.common.text import printable
from core.study.state import MemberState
from tui.preferences.palettes import palette_of
from tui.screens.study_keys import StudyKeys
from tui.text import member_table
from tui.text.member_table import BY_NUMBER, MemberColumn
from tui.viewmodel.study import StudyContent
from tui.widgets.host import host
from tui.widgets.member_table import MemberTable


class StudyMembers(StudyKeys):
    """Base class for the study screen: the table of members."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", tooltip="Open the run of the selected member",
                priority=True),
        Binding("s", "sort", "Sort", show=False,
                tooltip="Sort by the next column, or click a column header"),
        Binding("S", "reverse", "Reverse order", show=False, tooltip="Reverse the sort order"),
        Binding("j", "select(1)", "Down", show=False, tooltip="Select the next member"),
        Binding("k", "select(-1)", "Up", show=False, tooltip="Select the previous member"),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.content: StudyContent | None = None
        self.table = MemberTable()
        self.sorting = BY_NUMBER
        self._columns: list[MemberColumn] = []

    def show_content(self) -> None:
        """Draw what has changed."""
        raise NotImplementedError

    def show_table(self, content: StudyContent) -> None:
        """Draw the members."""
        summary = content.summary
        self._columns = columns = member_table.member_columns(summary)
        members = member_table.sorted_members(summary.members, columns, self.sorting)
        palette, best = palette_of(self.app), summary.best
        self.table.show_rows(
            member_table.member_titles(columns, self.sorting),
            {
                str(member.member.number): member_table.member_cells(member, columns, best, palette)
                for member in members
            },
        )

    def selected_member(self) -> MemberState | None:
        """Return the member under the cursor."""
        members = self.content.summary.members if self.content else ()
        selected = self.table.selected
        return next((m for m in members if str(m.member.number) == selected), None)

    @on(DataTable.RowSelected)
    def action_open(self) -> None:
        """Open the run of the selected member."""
        member = self.selected_member()
        if member and member.run:
            host(self).open_run(Path(member.run.path))
        elif member:
            self.notify(f"{printable(member.member.label)} has no run yet", markup=False)

    @on(DataTable.HeaderSelected)
    def _header_clicked(self, event: DataTable.HeaderSelected) -> None:
        self._sort_by(event.column_key.value or "")

    def action_sort(self) -> None:
        """Sort by the next column."""
        keys = [column.key for column in self._columns]
        if keys:
            number = keys.index(self.sorting[0]) if self.sorting[0] in keys else -1
            self._sort_by(keys[(number + 1) % len(keys)])

    def _sort_by(self, key: str) -> None:
        column = next((each for each in self._columns if each.key == key), None)
        if column is None:
            return
        same = key == self.sorting[0]
        self.sorting = (key, not self.sorting[1] if same else column.largest_first)
        self.show_content()

    def action_reverse(self) -> None:
        """Reverse the order of the rows."""
        self.sorting = (self.sorting[0], not self.sorting[1])
        self.show_content()

    def action_select(self, by: int) -> None:
        """Select another member."""
        move = self.table.action_cursor_down if by > 0 else self.table.action_cursor_up
        move()
