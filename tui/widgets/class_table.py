"""Table of precision, recall and F1 per class that draws only visible rows."""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.events import Click, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.text.class_metrics import (
    CHANGE,
    F1,
    NAME,
    PRECISION,
    PREDICTED_AS,
    SUPPORT,
    TITLES,
    ClassTableData,
)
from tui.text.elide import elided
from tui.text.labels import sentence_case

_WIDTHS = {SUPPORT: 10, PRECISION: 12, CHANGE: 9}
_FIGURE = 9
_SMALLEST_NAME, _LARGEST_NAME = 10, 40
_WIDTH_FOR_PREDICTED_AS = 90
_WIDTH_FOR_ALL_FIGURES = 40


class ClassTable(ScrollView, can_focus=False):
    """Draw rows and cursor; the parent sorts the rows and moves the cursor."""

    COMPONENT_CLASSES = {"class-table--header", "class-table--cursor"}  # noqa: RUF012
    DEFAULT_CSS = """
    ClassTable {
        scrollbar-size: 1 1;
        overflow-x: hidden;
        & > .class-table--header { color: $foreground 60%; text-style: bold; }
        & > .class-table--cursor { background: $primary 30%; text-style: bold; }
    }
    """

    class Sorted(Message):
        """The header of a column was clicked."""

        def __init__(self, column: int) -> None:
            super().__init__()
            self.column = column

    class Clicked(Message):
        """The row of a class was clicked."""

        def __init__(self, label: int) -> None:
            super().__init__()
            self.label = label

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._data: ClassTableData | None = None
        self._order: Sequence[int] = ()
        self._sorted = (NAME, False)
        self._cursor = 0

    def show(
        self, data: ClassTableData, order: Sequence[int], sorted_by: tuple[int, bool], cursor: int
    ) -> None:
        """Draw classes in an order (labels) with the cursor in one of its rows."""
        self._data, self._order, self._sorted, self._cursor = data, order, sorted_by, cursor
        self._fit()
        self._follow()
        self.refresh()

    def _fit(self) -> None:
        self.virtual_size = Size(self.size.width, len(self._order) + 1)

    def _follow(self) -> None:
        """Scroll to the cursor, below the fixed header."""
        if not self.size.height:
            return
        top = max(0, self._cursor)
        height = max(1, self.size.height - 1)
        self.scroll_to_region(
            Region(0, top, 1, min(2, height)), animate=False, force=True, immediate=True
        )

    def on_resize(self, event: Resize) -> None:
        """Fit the columns to the width."""
        self._fit()
        self.scroll_to(0, 0, animate=False, force=True, immediate=True)
        self._follow()

    def _columns(self) -> list[tuple[int, int]]:
        """Return the columns that fit, with their widths."""
        width = self.size.width
        shown = [n for n in range(len(TITLES)) if n not in (NAME, PREDICTED_AS)]
        if width < _WIDTH_FOR_ALL_FIGURES:
            shown = [SUPPORT, F1]
        widths = {n: _WIDTHS.get(n, _FIGURE) for n in shown}
        rest = width - sum(widths.values())
        if width >= _WIDTH_FOR_PREDICTED_AS:
            widths[PREDICTED_AS] = rest - min(_LARGEST_NAME, max(_SMALLEST_NAME, rest // 2))
            rest -= widths[PREDICTED_AS]
        return [(NAME, max(_SMALLEST_NAME, rest)), *widths.items()]

    def render_line(self, y: int) -> Strip:
        """Return the header or a row."""
        style = self.rich_style
        if self._data is None:
            return Strip.blank(self.size.width, style)
        if y == 0:
            return self._strip(self._headers(), style + self._part("header"))
        row = self.scroll_offset.y + y - 1
        if row >= len(self._order):
            return Strip.blank(self.size.width, style)
        if row == self._cursor:
            style += self._part("cursor")
        return self._strip(self._data.cells(self._order[row]), style)

    def _part(self, name: str) -> Style:
        return self.get_component_rich_style(f"class-table--{name}")

    def _headers(self) -> list[str]:
        column, descending = self._sorted
        arrow = "↓" if descending else "↑"
        titles = [sentence_case(title) for title in TITLES]
        return [f"{arrow}{title}" if n == column else title for n, title in enumerate(titles)]

    def _strip(self, cells: Sequence[str], style: Style) -> Strip:
        segments = [
            Segment(_fitted(cells[column], width, left=column in (NAME, PREDICTED_AS)), style)
            for column, width in self._columns()
        ]
        return Strip(segments).adjust_cell_length(self.size.width, style)

    def on_click(self, event: Click) -> None:
        """Report a click on a header or a row."""
        event.stop()
        if event.y == 0:
            left = 0
            for column, width in self._columns():
                left += width
                if event.x < left:
                    self.post_message(self.Sorted(column))
                    return
            return
        row = self.scroll_offset.y + event.y - 1
        if 0 <= row < len(self._order):
            self.post_message(self.Clicked(self._order[row]))


def _fitted(text: str, width: int, left: bool) -> str:
    """Return a text padded or shortened to `width` cells, a gap on either side included."""
    available = max(0, width - 2)
    text = elided(text, available)
    padding = " " * (available - cell_len(text))
    return set_cell_size(f" {text}{padding} " if left else f" {padding}{text} ", width)
