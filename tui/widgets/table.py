"""Tables with fixed column widths, and with rows that are selected by one click."""

from collections.abc import Mapping, Sequence

from rich.text import Text
from textual.coordinate import Coordinate
from textual.events import Click
from textual.widgets import DataTable
from textual.widgets.data_table import ColumnKey


class MeasuredTable(DataTable[Text]):
    """DataTable whose columns get their widths when they are created, and only grow.

    DataTable itself measures columns when the app is idle and caches rendered cells: on a busy
    machine a refilled table would stay truncated.
    """

    def fill(self, titles: Mapping[str, Text], rows: Mapping[str, Sequence[Text]]) -> None:
        """Replace all columns (titles by key) and rows (cells by key, one for each title)."""
        self.clear(columns=True)
        columns = zip(*rows.values(), strict=True) if rows else [()] * len(titles)
        for (key, title), cells in zip(titles.items(), columns, strict=True):
            width = max(text.cell_len for text in (title, *cells))
            self.add_column(title, key=key, width=width)
        for key, row in rows.items():
            self.add_row(*row, key=key)

    def put(self, row: str, cells: Mapping[str, Text]) -> None:
        """Update the cells of a row that have changed, by the keys of their columns."""
        for key, cell in cells.items():
            before = self.get_cell(row, key)
            if before == cell and before.style == cell.style:  # equal texts can differ in style
                continue
            column = self.columns[ColumnKey(key)]
            if cell.cell_len > column.width:
                column.width = cell.cell_len
                self.notify_style_update()  # drops cells rendered with the old width
            self.update_cell(row, key, cell, update_width=True)


class RunListTable(MeasuredTable):
    """MeasuredTable that selects a row on the first click; DataTable needs two on the same cell."""

    def on_click(self, event: Click) -> None:
        """Select the clicked row."""
        row = event.style.meta.get("row", -1)
        if not 0 <= row < self.row_count:
            return
        event.prevent_default()
        event.stop()
        self.move_cursor(row=row)
        key = self.coordinate_to_cell_key(Coordinate(row, 0)).row_key
        self.post_message(self.RowSelected(self, row, key))
