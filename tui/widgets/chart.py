"""Chart widget that redraws only the rows that have changed."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text
from textual.content import Content
from textual.events import (
    Click,
    MouseDown,
    MouseMove,
    MouseScrollDown,
    MouseScrollUp,
    MouseUp,
)
from textual.geometry import Region
from textual.message import Message
from textual.style import Style
from textual.widget import Widget

from tui.charts.canvas import glyphs_for
from tui.charts.draw import Drawing, draw
from tui.charts.scatter import ScatterSpec, draw_scatter
from tui.charts.spec import ChartSpec, LegendItem
from tui.text.labels import sentence_case
from tui.widgets.host import host

_DRAG_CELLS = 3
"""Shorter drags are clicks."""
_BORDER_CELLS = 6
"""Cells of a border that its text leaves free."""


def fitted_legend(items: Sequence[LegendItem], width: int) -> Content:
    """Return as many items as fit into `width` cells, from the first one on. A click on a series
    shows or hides it; hidden ones are in parentheses."""
    shown: list[Content] = []
    room = width
    for item in items:
        text = Content(f"({item.text})" if item.hidden else item.text)
        room -= text.cell_length + (2 if shown else 0)
        if room < 0 and shown:
            break
        if item.series:
            text = text.stylize(Style.from_meta({"@click": f"toggle_series({item.series!r})"}))
        shown.append(text)
    return Content("  ").join(shown)


def _drawing(spec: ChartSpec | ScatterSpec, width: int, height: int, glyphs: str) -> Drawing:
    if isinstance(spec, ScatterSpec):
        return draw_scatter(spec, width, height, glyphs)
    return draw(spec, width, height, glyphs)


class Chart(Widget):
    """Chart with a title and a legend in its border."""

    @dataclass
    class Clicked(Message):
        """The chart was clicked at a position (0 to 1) on the x axis."""

        fraction: float

    @dataclass
    class Hovered(Message):
        """The mouse points at a position (0 to 1) on the x axis, or with None no longer does."""

        fraction: float | None

    @dataclass
    class Selected(Message):
        """A part of the x axis was selected by dragging."""

        start: float
        end: float

    @dataclass
    class SeriesToggled(Message):
        """A series was clicked in the legend, to hide or show it."""

        series: str

    class ResetRequested(Message):
        """The chart was double-clicked."""

    @dataclass
    class Scrolled(Message):
        """The mouse wheel was turned at a position (0 to 1) on the x axis; the visible range is to
        be multiplied by `factor`."""

        fraction: float
        factor: float

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._spec: ChartSpec | ScatterSpec = ChartSpec()
        self._drawn: tuple[ChartSpec | ScatterSpec, int, int, str] | None = None
        self._drawing = Drawing(Text())
        self._rows: list[Text] = []
        self._in_border = (Content(""), Content(""))
        self._wordings: Sequence[str] = ()
        self._legend: Sequence[LegendItem] = ()
        self._drag_from: int | None = None
        self._has_dragged = False
        self._hovered: int | None = None

    @property
    def columns(self) -> int:
        """Width of the x axis in cells, as last drawn."""
        return self._drawing.columns

    def show(
        self,
        spec: ChartSpec | ScatterSpec,
        title: str,
        legend: Sequence[LegendItem],
        shorter_titles: Sequence[str] = (),
    ) -> None:
        """Draw a chart with the first of its titles that fits. The caller limits how often."""
        self._spec, self._legend = spec, legend
        self._wordings = (title, *shorter_titles)
        before = self._rows
        self._draw()
        in_border = (self._fitted_title(), self._fitted_legend())
        if any(not new.is_same(old) for new, old in zip(in_border, self._in_border, strict=True)):
            self._in_border = in_border
            # This repaints the whole widget.
            self.border_title, self.border_subtitle = in_border
        elif len(before) != len(self._rows):
            self.refresh()
        else:
            width = self.content_size.width
            rows = enumerate(zip(before, self._rows, strict=True))
            changed = [Region(0, y, width, 1) for y, (old, new) in rows if old != new]
            if changed:
                self.refresh(*changed)

    def _fitted_title(self) -> Content:
        width = self.outer_size.width - _BORDER_CELLS
        # As Content: a plain string would be parsed as markup.
        titles = [Content(sentence_case(wording)) for wording in self._wordings]
        fitting = (title for title in titles if title.cell_length <= width)
        return next(fitting, titles[-1] if titles else Content(""))

    def _fitted_legend(self) -> Content:
        return fitted_legend(self._legend, self.outer_size.width - _BORDER_CELLS)

    def on_resize(self) -> None:
        """Fit title and legend to the new width."""
        self._in_border = (self._fitted_title(), self._fitted_legend())
        self.border_title, self.border_subtitle = self._in_border

    def action_toggle_series(self, series: str) -> None:
        """Report a click on a series in the legend."""
        self.post_message(self.SeriesToggled(series))

    def _draw(self) -> None:
        glyphs = glyphs_for(host(self).preferences.settings.dots)
        key = (self._spec, self.content_size.width, self.content_size.height, glyphs)
        if key != self._drawn:
            self._drawn = key
            self._drawing = _drawing(*key)
            self._rows = list(self._drawing.text.split("\n", allow_blank=True))

    def render(self) -> Text:
        """Return the chart as text."""
        self._draw()
        return Text("\n").join(self._rows)

    def _fraction(self, x: int) -> float:
        """Return the position (0 to 1) on the x axis of a column; the first column is border."""
        return (x - 1 - self._drawing.left) / max(1, self.columns - 1)

    def on_mouse_down(self, event: MouseDown) -> None:
        """Begin a selection."""
        if self.columns and event.button == 1 and not _is_link(event):
            self._drag_from = event.x
            self.capture_mouse()

    def on_mouse_up(self, event: MouseUp) -> None:
        """End a selection."""
        start, self._drag_from = self._drag_from, None
        if start is None:
            return
        self.release_mouse()
        self._has_dragged = abs(event.x - start) >= _DRAG_CELLS
        if self._has_dragged:
            self.post_message(self.Selected(self._fraction(start), self._fraction(event.x)))

    def on_mouse_move(self, event: MouseMove) -> None:
        """Report the column that the mouse points at."""
        if self.columns and event.x != self._hovered:
            self._hovered = event.x
            self.post_message(self.Hovered(self._fraction(event.x)))

    def on_leave(self) -> None:
        """Report that the mouse points elsewhere."""
        if self._hovered is not None:
            self._hovered = None
            self.post_message(self.Hovered(None))

    def on_click(self, event: Click) -> None:
        """Report the clicked position; a double click shows everything."""
        if _is_link(event):
            return
        if self._has_dragged:
            self._has_dragged = False
        elif self.columns and event.chain == 2:
            self.post_message(self.ResetRequested())
        elif self.columns:
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


def _is_link(event: MouseDown | Click) -> bool:
    return "@click" in event.style.meta
