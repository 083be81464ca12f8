"""Chart widget that redraws only the rows that have changed."""

from dataclasses import dataclass

from rich.text import Text
from textual.content import Content
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.geometry import Region
from textual.message import Message
from textual.widget import Widget

from tui.charts.canvas import glyphs_for
from tui.charts.draw import Drawing, draw
from tui.charts.spec import ChartSpec
from tui.text.labels import sentence_case
from tui.widgets.host import host


class Chart(Widget):
    """Chart with a title and a legend in its border."""

    @dataclass
    class Clicked(Message):
        """The chart was clicked at a position (0 to 1) on the x axis."""

        fraction: float

    @dataclass
    class Scrolled(Message):
        """The mouse wheel was turned at a position (0 to 1) on the x axis; the visible range is to
        be multiplied by `factor`."""

        fraction: float
        factor: float

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._spec = ChartSpec()
        self._drawn: tuple[ChartSpec, int, int, str] | None = None
        self._drawing = Drawing(Text())
        self._rows: list[Text] = []
        self._titles = ("", "")

    @property
    def columns(self) -> int:
        """Width of the x axis in cells, as last drawn."""
        return self._drawing.columns

    def show(self, spec: ChartSpec, title: str, legend: str) -> None:
        """Draw a chart. The caller limits how often."""
        self._spec = spec
        before = self._rows
        self._draw()
        title = sentence_case(title)
        if (title, legend) != self._titles:
            self._titles = (title, legend)
            # As Content: a plain string would be parsed as markup. This repaints the whole widget.
            self.border_title = Content(title)
            self.border_subtitle = Content(legend)
        elif len(before) != len(self._rows):
            self.refresh()
        else:
            width = self.content_size.width
            rows = enumerate(zip(before, self._rows, strict=True))
            changed = [Region(0, y, width, 1) for y, (old, new) in rows if old != new]
            if changed:
                self.refresh(*changed)

    def _draw(self) -> None:
        glyphs = glyphs_for(host(self).preferences.settings.dots)
        key = (self._spec, self.content_size.width, self.content_size.height, glyphs)
        if key != self._drawn:
            self._drawn = key
            self._drawing = draw(*key)
            self._rows = list(self._drawing.text.split("\n", allow_blank=True))

    def render(self) -> Text:
        """Return the chart as text."""
        self._draw()
        return Text("\n").join(self._rows)

    def _fraction(self, x: int) -> float:
        """Return the position (0 to 1) on the x axis of a column; the first column is border."""
        return (x - 1 - self._drawing.left) / max(1, self.columns - 1)

    def on_click(self, event: Click) -> None:
        """Report the clicked position."""
        if self.columns:
            self.post_message(self.Clicked(self._fraction(event.x)))

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Zoom in."""
        self._scrolled(event, 0.8)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Zoom out."""
        self._scrolled(event, 1.25)

    def _scrolled(self, event: MouseScrollUp | MouseScrollDown, factor: float) -> None:
        event.stop()
        if self.columns:
            self.post_message(self.Scrolled(self._fraction(event.x), factor))
