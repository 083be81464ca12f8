"""A table whose rows open with one click."""

from textual.coordinate import Coordinate
from textual.events import Click

from tui.widgets.table import MeasuredTable


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
