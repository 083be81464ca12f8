"""Confusion matrix as a heatmap that draws only visible cells."""

import math
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.events import Click, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from core.analysis.class_metrics import ClassificationReport
from core.common.text import printable
from tui.text.class_metrics import percent_cell

# Okabe and Ito's blue and vermilion, distinguishable with all types of color vision.
_CORRECT, _MISCLASSIFIED = Color(0, 114, 178), Color(213, 94, 0)
_LONGEST_NAME = 18
_HEADER = 1


class ConfusionMap(ScrollView, can_focus=False):
    """Show true classes as rows, predicted classes as columns, and shares of the row in percent.

    Row headers have the number and name of a class, column headers its number. They stay fixed
    while the cells scroll.
    """

    COMPONENT_CLASSES = {"confusion-map--header", "confusion-map--cursor"}  # noqa: RUF012
    DEFAULT_CSS = """
    ConfusionMap {
        scrollbar-size: 1 1;
        & > .confusion-map--header { color: $foreground 60%; }
        & > .confusion-map--cursor { text-style: bold reverse; }
    }
    """

    class Clicked(Message):
        """A cell was clicked."""

        def __init__(self, truth: int, predicted: int) -> None:
            super().__init__()
            self.truth, self.predicted = truth, predicted

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._evaluation: ClassificationReport | None = None
        self._order: Sequence[int] = ()
        self._cursor = (0, 0)

    def show(
        self, evaluation: ClassificationReport | None, order: Sequence[int], cursor: tuple[int, int]
    ) -> None:
        """Draw an evaluation with its classes in an order (labels); the cursor is (row, column)."""
        self._evaluation, self._order, self._cursor = evaluation, order, cursor
        self._fit()
        self._follow()
        self.refresh()

    @property
    def _cell(self) -> int:
        return max(4, len(str(len(self._order))) + 1)

    @property
    def _row_header_width(self) -> int:
        """Width of the row headers in cells."""
        return min(_LONGEST_NAME, max(8, self.size.width // 3)) + self._cell

    def _fit(self) -> None:
        number = len(self._order)
        hidden = max(0, number - self._columns_that_fit)
        # As if the visible columns filled the width: scrolling ends at the last column.
        self.virtual_size = Size(self.size.width + hidden * self._cell, number + _HEADER)

    def _follow(self) -> None:
        if not self.size.height:
            return
        row, column = self._cursor
        cell, names = self._cell, self._row_header_width
        # The region is larger by the headers, which cover its start.
        region = Region(column * cell, row, min(names + 2 * cell, self.size.width), 1 + _HEADER)
        self.scroll_to_region(region, animate=False, force=True, immediate=True)

    def on_resize(self, event: Resize) -> None:
        """Fit the row headers to the width."""
        self._fit()
        self.scroll_to(0, 0, animate=False, force=True, immediate=True)
        self._follow()

    def render_line(self, y: int) -> Strip:
        """Return the column headers or a row."""
        width, style = self.size.width, self.rich_style
        if self._evaluation is None or not self._order:
            return Strip.blank(width, style)
        header = self.get_component_rich_style("confusion-map--header")
        columns = self._visible()
        if y < _HEADER:
            corner = set_cell_size(" true ↓  predicted →", self._row_header_width)
            segments = [Segment(corner, style + header)]
            segments += [self._column_header(column, style + header) for column in columns]
            return Strip(segments).adjust_cell_length(width, style)
        row = self.scroll_offset.y + y - _HEADER
        if row >= len(self._order):
            return Strip.blank(width, style)
        segments = [self._row_header(row, style if row == self._cursor[0] else style + header)]
        segments += [self._segment(row, column, style) for column in columns]
        return Strip(segments).adjust_cell_length(width, style)

    @property
    def _columns_that_fit(self) -> int:
        """Number of whole columns that fit: a truncated number would be wrong."""
        return max(1, (self.size.width - self._row_header_width) // self._cell)

    def _visible(self) -> range:
        """Return the visible columns."""
        first = math.ceil(self.scroll_offset.x / self._cell)
        return range(first, min(len(self._order), first + self._columns_that_fit))

    def _column_header(self, column: int, style: Style) -> Segment:
        if column == self._cursor[1]:
            style += Style(bold=True, reverse=True)
        return Segment(f"{column + 1:>{self._cell - 1}} ", style)

    def _row_header(self, row: int, style: Style) -> Segment:
        assert self._evaluation is not None
        name = printable(self._evaluation.name(self._order[row]))
        available = self._row_header_width - self._cell - 1
        if cell_len(name) > available:
            name = set_cell_size(name, max(0, available - 1)) + "…"
        if row == self._cursor[0]:
            style += Style(bold=True)
        text = f"{row + 1:>{self._cell - 1}} {name}"
        return Segment(set_cell_size(text, self._row_header_width), style)

    def _segment(self, row: int, column: int, style: Style) -> Segment:
        assert self._evaluation is not None
        share = self._evaluation.share(self._order[row], self._order[column])
        text = f"{percent_cell(share):>{self._cell - 1}} "
        if share > 0:
            style += self._shade(share, row == column)
        if (row, column) == self._cursor:
            style += self.get_component_rich_style("confusion-map--cursor", partial=True)
        return Segment(text, style)

    def _shade(self, share: float, correct: bool) -> Style:
        background = self.background_colors[1]
        # Square root: the difference between 1 and 5% matters more than between 90 and 94%.
        color = background.blend(
            _CORRECT if correct else _MISCLASSIFIED, 0.15 + 0.85 * math.sqrt(share)
        )
        return Style.from_color(color.get_contrast_text(1.0).rich_color, color.rich_color)

    def on_click(self, event: Click) -> None:
        """Report the clicked cell; for a row header the diagonal cell of the row."""
        event.stop()
        row = self.scroll_offset.y + event.y - _HEADER
        if event.y < _HEADER or not 0 <= row < len(self._order):
            return
        column = row
        if event.x >= self._row_header_width:
            column = self._visible().start + (event.x - self._row_header_width) // self._cell
        if column == row or column in self._visible():
            self.post_message(self.Clicked(self._order[row], self._order[column]))
