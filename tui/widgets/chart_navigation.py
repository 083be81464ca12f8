"""Keys and mouse for charts with a visible range and a cursor."""

from collections.abc import Callable

from textual.binding import Binding

from tui.charts.viewport import Viewport
from tui.widgets.chart import Chart

_ZOOM, _PAN = Binding.Group("Zoom"), Binding.Group("Pan")
NAVIGATION_BINDINGS = [
    Binding("shift+left", "cursor(-10)", "Cursor far left", show=False,
            tooltip="Move the cursor ten columns left"),
    Binding("shift+right", "cursor(10)", "Cursor far right", show=False,
            tooltip="Move the cursor ten columns right"),
    Binding("plus,equals_sign", "zoom(0.5)", "Zoom in", key_display="+", show=False, group=_ZOOM,
            tooltip="Show half of the visible range"),
    Binding("minus", "zoom(2)", "Zoom out", key_display="-", show=False, group=_ZOOM,
            tooltip="Show twice the visible range"),
    Binding("less_than_sign,comma", "pan(-0.25)", "Pan left", key_display="<", show=False,
            group=_PAN,
            tooltip="Move the visible range left"),
    Binding("greater_than_sign,full_stop", "pan(0.25)", "Pan right", key_display=">", show=False,
            group=_PAN,
            tooltip="Move the visible range right"),
    Binding("y", "y_range", "y range", show=False,
            tooltip="All values, or without early values and spikes that flatten the curves"),
    Binding("0", "reset_view", "Reset view", show=False,
            tooltip="Show everything, without a cursor"),
]  # fmt: skip


class ChartNavigation:
    """Mixin that translates keys, mouse and the mouse wheel into changes of the viewport."""

    def adjust(self, change: Callable[[Viewport], Viewport]) -> None:
        """Apply a change of the viewport and redraw."""
        raise NotImplementedError

    @property
    def chart_columns(self) -> int:
        """Width of the x axis in cells."""
        raise NotImplementedError

    def on_chart_clicked(self, event: Chart.Clicked) -> None:
        """Put the cursor at the click."""
        self.adjust(lambda viewport: viewport.point(event.fraction))

    def hover(self, fraction: float | None) -> None:
        """Show a cursor and the readout at a position (0 to 1), or with None no longer."""
        raise NotImplementedError

    def on_chart_hovered(self, event: Chart.Hovered) -> None:
        """Show the values under the mouse."""
        self.hover(event.fraction)

    def on_chart_selected(self, event: Chart.Selected) -> None:
        """Zoom to the selected part."""
        self.adjust(lambda viewport: viewport.select(event.start, event.end))

    def on_chart_reset_requested(self) -> None:
        """Show everything."""
        self.action_reset_view()

    def on_chart_scrolled(self, event: Chart.Scrolled) -> None:
        """Zoom around the mouse pointer."""
        self.adjust(lambda viewport: viewport.zoom(event.factor, viewport.at(event.fraction)))

    def action_cursor(self, by: int) -> None:
        """Move the cursor by columns."""
        self.adjust(lambda viewport: viewport.move_cursor(by, self.chart_columns))

    def action_zoom(self, factor: float) -> None:
        """Multiply the visible range."""
        self.adjust(lambda viewport: viewport.zoom(factor))

    def action_pan(self, fraction: float) -> None:
        """Move the visible range by a fraction of its size."""
        self.adjust(lambda viewport: viewport.pan(fraction))

    def action_reset_view(self) -> None:
        """Show everything, without a cursor."""
        self.adjust(Viewport.reset)
