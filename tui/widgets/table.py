"""Tables with column widths known before the first draw, and with rows that open on one click."""

from collections.abc import Mapping, Sequence

from rich.text import Text
from textual.coordinate import Coordinate
from textual.events import Click
from textual.widgets import DataTable
from textual.widgets.data_table import ColumnKey


class MeasuredTable(DataTable[Text]):
    """DataTable measures its columns when there is nothing else to do, and keeps what it has drawn
    before: on a busy machine a table that was filled anew would stay cut off. Here the columns
    have their widths when they are made; they grow with their cells and don't shrink."""

    def fill(self, titles: Mapping[str, Text], rows: Mapping[str, Sequence[Text]]) -> None:
        """Replace all columns and rows, both by their keys; a row has a cell for each title."""
        self.clear(columns=True)
        columns = zip(*rows.values(), strict=True) if rows else [()] * len(titles)
        for (key, title), cells in zip(titles.items(), columns, strict=True):
            width = max(text.cell_len for text in (title, *cells))
            self.add_column(title, key=key, width=width)
        for key, row in rows.items():
            self.add_row(*row, key=key)

    def put(self, row: str, cells: Mapping[str, Text]) -> None:
        """Change those cells of a row, by their columns' keys, that are not as they were."""
        for key, cell in cells.items():
            before = self.get_cell(row, key)
            if before == cell and before.style == cell.style:  # two texts may differ in style only
                continue
            column = self.columns[ColumnKey(key)]
            if cell.cell_len > column.width:
                column.width = cell.cell_len
                self.notify_style_update()  # forgets what was drawn with the width before
            self.update_cell(row, key, cell, update_width=True)


class RunRows(MeasuredTable):
    """DataTable selects with the second click on the same cell; a row of runs opens at once."""

    def on_click(self, event: Click) -> None:
        """Choose the row and select it."""
        row = event.style.meta.get("row", -1)
        if not 0 <= row < self.row_count:
            return
        event.prevent_default()
        event.stop()
        self.move_cursor(row=row)
        key = self.coordinate_to_cell_key(Coordinate(row, 0)).row_key
        self.post_message(self.RowSelected(self, row, key))
