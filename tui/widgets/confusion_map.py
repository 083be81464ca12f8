"""The confusion matrix as a heat map of any size: only what is seen of it is drawn."""

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

from core.analysis.class_metrics import Evaluation
from core.common.text import printable
from tui.text.class_metrics import percent_cell

# Okabe and Ito's blue and vermilion: right and wrong, told apart with every kind of vision.
_RIGHT, _WRONG = Color(0, 114, 178), Color(213, 94, 0)
_LONGEST_NAME = 18
_HEAD = 1


class ConfusionMap(ScrollView, can_focus=False):
    """Rows are true classes, columns predicted ones, cells the share of the row in percent.

    The row's heads hold number and name, a column's its number. They stay where they are while
    the cells scroll.
    """

    COMPONENT_CLASSES = {"confusion-map--head", "confusion-map--cursor"}  # noqa: RUF012
    DEFAULT_CSS = """
    ConfusionMap {
        scrollbar-size: 1 1;
        & > .confusion-map--head { color: $foreground 60%; }
        & > .confusion-map--cursor { text-style: bold reverse; }
    }
    """

    class Picked(Message):
        """A click on a cell."""

        def __init__(self, truth: int, predicted: int) -> None:
            super().__init__()
            self.truth, self.predicted = truth, predicted

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._evaluation: Evaluation | None = None
        self._order: Sequence[int] = ()
        self._cursor = (0, 0)

    def show(
        self, evaluation: Evaluation | None, order: Sequence[int], cursor: tuple[int, int]
    ) -> None:
        """Draw this evaluation with its classes in this order; the cursor is (row, column)."""
        self._evaluation, self._order, self._cursor = evaluation, order, cursor
        self._fit()
        self._follow()
        self.refresh()

    @property
    def _cell(self) -> int:
        return max(4, len(str(len(self._order))) + 1)

    @property
    def _names(self) -> int:
        """Cells that the heads of rows take."""
        return min(_LONGEST_NAME, max(8, self.size.width // 3)) + self._cell

    def _fit(self) -> None:
        number = len(self._order)
        hidden = max(0, number - self._whole)
        # As if the columns that are seen took the whole width: the end of the way is the last one.
        self.virtual_size = Size(self.size.width + hidden * self._cell, number + _HEAD)

    def _follow(self) -> None:
        if not self.size.height:
            return
        row, column = self._cursor
        cell, names = self._cell, self._names
        # As the heads cover the beginning, the region to be seen is that much larger.
        region = Region(column * cell, row, min(names + 2 * cell, self.size.width), 1 + _HEAD)
        self.scroll_to_region(region, animate=False, force=True, immediate=True)

    def on_resize(self, event: Resize) -> None:
        """The heads' width depends on the whole."""
        self._fit()
        self.scroll_to(0, 0, animate=False, force=True, immediate=True)
        self._follow()

    def render_line(self, y: int) -> Strip:
        """Return the heads of the columns, or a row."""
        width, style = self.size.width, self.rich_style
        if self._evaluation is None or not self._order:
            return Strip.blank(width, style)
        head = self.get_component_rich_style("confusion-map--head")
        columns = self._visible()
        if y < _HEAD:
            corner = set_cell_size(" true ↓  taken for →", self._names)
            segments = [Segment(corner, style + head)]
            segments += [self._column_head(column, style + head) for column in columns]
            return Strip(segments).adjust_cell_length(width, style)
        row = self.scroll_offset.y + y - _HEAD
        if row >= len(self._order):
            return Strip.blank(width, style)
        segments = [self._row_head(row, style if row == self._cursor[0] else style + head)]
        segments += [self._segment(row, column, style) for column in columns]
        return Strip(segments).adjust_cell_length(width, style)

    @property
    def _whole(self) -> int:
        """Columns that there is room for; half a figure would be another one."""
        return max(1, (self.size.width - self._names) // self._cell)

    def _visible(self) -> range:
        """Return the columns that are seen."""
        first = math.ceil(self.scroll_offset.x / self._cell)
        return range(first, min(len(self._order), first + self._whole))

    def _column_head(self, column: int, style: Style) -> Segment:
        if column == self._cursor[1]:
            style += Style(bold=True, reverse=True)
        return Segment(f"{column + 1:>{self._cell - 1}} ", style)

    def _row_head(self, row: int, style: Style) -> Segment:
        assert self._evaluation is not None
        name = printable(self._evaluation.name(self._order[row]))
        room = self._names - self._cell - 1
        if cell_len(name) > room:
            name = set_cell_size(name, max(0, room - 1)) + "…"
        if row == self._cursor[0]:
            style += Style(bold=True)
        text = f"{row + 1:>{self._cell - 1}} {name}"
        return Segment(set_cell_size(text, self._names), style)

    def _segment(self, row: int, column: int, style: Style) -> Segment:
        assert self._evaluation is not None
        share = self._evaluation.share(self._order[row], self._order[column])
        text = f"{percent_cell(share):>{self._cell - 1}} "
        if share > 0:
            style += self._shade(share, row == column)
        if (row, column) == self._cursor:
            style += self.get_component_rich_style("confusion-map--cursor", partial=True)
        return Segment(text, style)

    def _shade(self, share: float, right: bool) -> Style:
        paper = self.background_colors[1]
        # By the root: the difference between 1 and 5% matters more than that of 90 and 94%.
        colour = paper.blend(_RIGHT if right else _WRONG, 0.15 + 0.85 * math.sqrt(share))
        return Style.from_color(colour.get_contrast_text(1.0).rich_color, colour.rich_color)

    def on_click(self, event: Click) -> None:
        """Pick a cell; a click on a row's head picks what the class is itself."""
        event.stop()
        row = self.scroll_offset.y + event.y - _HEAD
        if event.y < _HEAD or not 0 <= row < len(self._order):
            return
        column = row
        if event.x >= self._names:
            column = self._visible().start + (event.x - self._names) // self._cell
        if column == row or column in self._visible():
            self.post_message(self.Picked(self._order[row], self._order[column]))
