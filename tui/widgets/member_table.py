"""Table of the members of a study: fits any number of columns by scrolling to whole ones."""

from collections.abc import Mapping, Sequence

from rich.text import Text

from tui.widgets.table import RunListTable


class MemberTable(RunListTable):
    """Table with a fixed first column. Left and right scroll by a column."""

    def __init__(self) -> None:
        super().__init__(id="members", cursor_type="row", fixed_columns=1, zebra_stripes=False)
        self._shape: tuple[object, ...] = ()

    @property
    def selected(self) -> str:
        """The key of the row under the cursor; empty without one."""
        if not 0 <= self.cursor_row < self.row_count:
            return ""
        return self.coordinate_to_cell_key(self.cursor_coordinate).row_key.value or ""

    def show_rows(self, titles: Mapping[str, Text], rows: Mapping[str, Sequence[Text]]) -> None:
        """Show rows by key; the selected one stays selected."""
        shape = (tuple((key, title.plain) for key, title in titles.items()), tuple(rows))
        if shape == self._shape:
            for key, cells in rows.items():
                self.put(key, dict(zip(titles, cells, strict=True)))
            return
        self._shape = shape
        selected, scrolled = self.selected, self.scroll_offset.x
        self.fill(titles, rows)
        if selected in rows:
            self.move_cursor(row=list(rows).index(selected))
        self.scroll_to(x=scrolled, animate=False)

    def action_cursor_right(self) -> None:
        """Scroll by a column to the right."""
        self._scroll_to_column(1)

    def action_cursor_left(self) -> None:
        """Scroll by a column to the left."""
        self._scroll_to_column(-1)

    def action_scroll_home(self) -> None:
        """Select the first row."""
        self.move_cursor(row=0)

    def action_scroll_end(self) -> None:
        """Select the last row."""
        self.move_cursor(row=self.row_count - 1)

    def _scroll_to_column(self, by: int) -> None:
        widths = [column.get_render_width(self) for column in self.ordered_columns]
        starts = [0]
        for width in widths[1:-1]:
            starts.append(starts[-1] + width)
        now = self.scroll_offset.x
        later = [start for start in starts if start > now]
        earlier = [start for start in starts if start < now]
        target = (later[:1] if by > 0 else earlier[-1:]) or [now]
        self.scroll_to(x=target[0], animate=False)
