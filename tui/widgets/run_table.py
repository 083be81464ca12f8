"""Table of the run list: redraws only the rows that have changed, in columns that fit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text
from textual.events import Click
from textual.message import Message
from textual.widgets.data_table import CellDoesNotExist

from tui.preferences.palettes import Palette
from tui.text import run_list as listing
from tui.widgets.table import RunListTable

# Modules that read runs are imported on first use, in another thread.
if TYPE_CHECKING:
    from core.run.query import Sort
    from core.study.grouped_list import ListRow

    _Row = tuple[ListRow, str, str, int, Palette]
    """A row, its letter, the id of the best run if the row shows that, the current minute, and the
    palette: everything that its cells depend on."""


class GroupedRunTable(RunListTable):
    """Table of runs, and of studies that open and close with a click on their marker."""

    @dataclass
    class Toggled(Message):
        """The marker of a study was clicked."""

        study: str

    def __init__(self) -> None:
        super().__init__(id="table", cursor_type="row")
        self._shape: tuple[object, ...] = ()
        """Columns with their widths, titles and row ids in the table."""
        self._shown: dict[str, _Row] = {}
        self._row_widths: dict[str, dict[str, int]] = {}
        """The widths of the cells of each row, not shortened."""
        self._widths: dict[str, int] = {}

    @property
    def fitting(self) -> list[str]:
        """The columns in the table: those that fit into the terminal."""
        return list(self._widths)

    def has_other_palette(self, palette: Palette) -> bool:
        """Return whether the rows were drawn in other colors."""
        return bool(self._shown) and next(iter(self._shown.values()))[-1] != palette

    @property
    def selected_id(self) -> str:
        """The id of the row under the cursor; empty without one."""
        try:
            return self.coordinate_to_cell_key(self.cursor_coordinate).row_key.value or ""
        except CellDoesNotExist:
            return ""

    def draw_rows(
        self,
        shown: "Sequence[ListRow]",
        letter: Callable[[str], str],
        best: str,
        sort: "Sort | None",
        now: float,
        palette: Palette,
        width: int,
    ) -> None:
        """Draw rows; `letter` returns that of an id in a comparison, `best` is the id of a run."""
        minute = int(now // 60)
        rows = {
            row.id: (row, letter(row.id), best if _shows(row, best) else "", minute, palette)
            for row in shown
        }
        # Only rows that have changed: there may be a thousand.
        changed = {id: row for id, row in rows.items() if row != self._shown.get(id)}
        measured = {id: _measured(row, now) for id, row in changed.items()}
        self._row_widths = {id: measured.get(id) or self._row_widths[id] for id in rows}
        titles = listing.titles(sort)
        whole = listing.whole_widths(titles, self._row_widths.values())
        widths = self._widths = listing.fit_columns(whole, width)

        def cells(row: "_Row") -> list[Text]:
            return _cells(row, widths, now)

        shape = (tuple(widths.items()), tuple(titles.values()), tuple(rows))
        if shape != self._shape:
            self._rebuild(titles, {id: cells(row) for id, row in rows.items()}, rows)
        else:
            for id, row in changed.items():
                self.put(id, dict(zip(widths, cells(row), strict=True)))
        self._shape, self._shown = shape, rows

    def _rebuild(
        self, titles: dict[str, str], cells: dict[str, list[Text]], rows: "dict[str, _Row]"
    ) -> None:
        selected, row = self.selected_id, self.cursor_row
        before = self._shown.get(selected)
        self.fill({column: Text(titles[column]) for column in self._widths}, cells)
        if selected not in rows and before and before[0].parent:
            selected = before[0].parent  # its study was closed
        if selected in rows:
            self.move_cursor(row=list(rows).index(selected))
        elif rows and row > 0:
            self.move_cursor(row=min(row, len(rows) - 1))

    def on_click(self, event: Click) -> None:
        """Open or close the study whose marker was clicked; elsewhere, select the row."""
        study = event.style.meta.get(listing.TOGGLE)
        if study is None:
            super().on_click(event)
            return
        event.prevent_default()
        event.stop()
        self.move_cursor(row=event.style.meta.get("row", self.cursor_row))
        self.post_message(self.Toggled(study))


def _is_grouped(row: "ListRow") -> bool:
    return row.study is not None or bool(row.parent)


def _cells(shown: "_Row", widths: dict[str, int], now: float) -> list[Text]:
    row, letter, best, _, palette = shown
    if not _is_grouped(row):
        return listing.cells(row.run, widths, now, letter, row.id == best, palette)
    from tui.text.study_row import row_cells

    return row_cells(row, widths, now, letter, best, palette)


def _measured(shown: "_Row", now: float) -> dict[str, int]:
    """Return the widths of the cells of a row, not shortened."""
    row, _, best, *_ = shown
    if not _is_grouped(row):
        return listing.row_widths(row.run, now, row.id == best)
    from tui.text.study_row import row_widths

    return row_widths(row, now, best)


def _shows(row: "ListRow", best: str) -> bool:
    """Return whether a row has the result of the best run."""
    if row.study is None:
        return row.id == best
    member = row.study.best
    return member is not None and member.run is not None and member.run.id == best
