"""The first tab: charts, panels and the newest lines of the log."""

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.events import Resize
from textual.widgets import Static

from core.analysis.curves import METRICS, Metric
from core.run.state import RunState
from tui.charts import run_charts as curves
from tui.charts import view as chart_view
from tui.charts.bindings import WINDOW_KEYS
from tui.charts.plot import drawn_log
from tui.charts.readout import readout
from tui.charts.view import View
from tui.preferences.palettes import palette_of
from tui.preferences.preferences import Preferences
from tui.preferences.settings import CHOICES
from tui.tabs.base import RunTab
from tui.text import devices, run_status
from tui.widgets.chart import Chart
from tui.widgets.host import host
from tui.widgets.log import RunLog
from tui.widgets.panel import Panel

_PAIR = 2


class ChartsTab(RunTab):
    """Draws what its run has come to; keys and mouse change how it is looked at."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "next_chart", "chart", show=False, tooltip="Show the next chart"),
        Binding("g", "layout", "layout", show=False, tooltip="Two charts, a large one, or all"),
        Binding(
            "left,h", "cursor(-1)", "cursor left", show=False, tooltip="Read the curves to the left"
        ),
        Binding(
            "right,l",
            "cursor(1)",
            "cursor right",
            show=False,
            tooltip="Read the curves to the right",
        ),
        *WINDOW_KEYS,
        Binding(
            "left_square_bracket",
            "mark(False)",
            "mark before",
            key_display="[",
            show=False,
            tooltip="Cursor to the mark before: command, phase, best, warning",
        ),
        Binding(
            "right_square_bracket",
            "mark(True)",
            "next mark",
            key_display="]",
            show=False,
            tooltip="Cursor to the next mark",
        ),
        Binding("a", "axis", "x axis", show=False, tooltip="Over epochs, steps or time"),
        Binding("o", "scale", "y axis", show=False, tooltip="Logarithmic, linear, or by itself"),
        Binding("w", "smoothing", "smoothing", show=False,
                tooltip="Moving average, with the raw points behind it"),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__(id="charts-tab")
        self.view = View()
        """How this run is looked at now."""
        self._state = RunState()
        self._drawn: tuple[object, ...] = ()
        self._layout = "pair"
        self._large = 0
        self._first = {metric.key: Chart(metric.key) for metric in METRICS[:_PAIR]}
        self._charts = dict(self._first)
        self._frame = Container(*self._first.values(), id="charts")
        self._readout = Static(id="readout", markup=False)
        self._stopping, self._device = Panel("Stopping", "stopping"), Panel("Device", "device")
        self._speed, self._rate = Panel("Speed", "speed"), Panel("LR", "rate")
        self._panels = Horizontal(
            self._stopping, self._device, self._speed, self._rate, id="panels"
        )
        self._log = RunLog("log")

    def compose(self) -> ComposeResult:
        """Lay out all widgets; the style sheet arranges them by the terminal's size."""
        yield self._frame
        yield self._readout
        yield self._panels
        yield self._log

    @property
    def _alone(self) -> bool:
        """Whether there is room for one chart only, unless the person wants them all."""
        return self.screen.has_class("-narrow") and self.screen.has_class("-short")

    @property
    def _flat(self) -> bool:
        """Whether panels are lines."""
        return self.screen.has_class("-narrow") or self.screen.has_class("-short")

    def on_mount(self) -> None:
        """Look at the run the way the person usually does."""
        self.apply_preferences()

    @property
    def _preferences(self) -> Preferences:
        return host(self).preferences

    def apply_preferences(self) -> None:
        """Look at it the way the settings say from now on."""
        settings = self._preferences.settings
        self._layout = settings.layout
        self._large = [metric.key for metric in METRICS].index(settings.chart)
        self.view = replace(
            self.view,
            axis=settings.axis,
            scale=settings.scale,
            smoothing=float(settings.smoothing),
        )
        self._arrange()

    def on_resize(self, event: Resize) -> None:
        """Other sizes have other layouts."""
        self.call_after_refresh(self._arrange)

    def show(self, state: RunState, status: str, slow: bool) -> None:
        """Bring charts, panels and log up to date."""
        self._state = state
        if slow:
            self._show_charts()
        self._show_panels(state, status, slow)
        self._log.show(state)

    def _seen(self) -> list[Metric]:
        if self._layout == "all":
            return list(METRICS)
        if self._layout == "one" or self._alone:
            return [METRICS[self._large]]
        return list(METRICS[:_PAIR])

    def _arrange(self) -> None:
        """Show the charts that the layout wants; those that were never seen are made now."""
        if not self.is_attached:
            return
        seen = {metric.key for metric in self._seen()}
        missing = [key for key in seen if key not in self._charts]
        if missing:
            self._charts |= {m.key: Chart(m.key) for m in METRICS if m.key in missing}
            order = [self._charts[m.key] for m in METRICS if m.key in missing]
            self._frame.mount(*order)
        for key, chart in self._charts.items():
            chart.display = key in seen
        self.set_class(self._layout == "all", "-all")
        self._redraw()

    def _redraw(self) -> None:
        self._drawn = ()
        self.call_after_refresh(self._show_charts)

    def _show_charts(self) -> None:
        if not self.is_attached:
            return
        state, view = self._state, self.view
        seen = self._seen()
        dark = self.app.current_theme.dark
        now = (state.seq, view, dark, tuple(metric.key for metric in seen))
        if now == self._drawn:
            return
        self._drawn = now
        palette = palette_of(self.app)
        for metric in seen:
            spec = curves.chart(state, metric, view, palette)
            title = curves.title(state, metric, view, drawn_log(spec))
            self._charts[metric.key].show(spec, title, self._note(metric, len(seen)))
        self._show_readout()

    def _note(self, metric: Metric, charts: int) -> str:
        state = self._state
        if charts == 1:
            following = METRICS[(self._large + 1) % len(METRICS)].title
            return f"{curves.legend(state, metric)} │ c {following}"
        if metric.key == "top1" and charts == _PAIR:
            return curves.best_note(state)
        return curves.legend(state, metric)

    def _show_readout(self) -> None:
        lines = readout(self._state, self.view, self._columns)
        self._readout.display = bool(lines)
        self._readout.update(Content("\n".join(lines)))

    @property
    def _columns(self) -> int:
        drawn = max((self._charts[m.key].columns for m in self._seen()), default=0)
        return drawn or max(1, self.size.width // 2)  # a key may come before the first drawing

    def _show_panels(self, state: RunState, status: str, slow: bool) -> None:
        flat = self._flat
        lines = run_status.early_stopping_lines(state, status, short=flat)
        self._stopping.show(lines, flat, "Early stopping")
        lines = devices.panel_lines(state, short=flat)
        self._device.show(lines, flat, devices.device_title(state))
        if slow:
            self._speed.show(run_status.throughput_lines(state), flat)
        self._rate.show(run_status.learning_rate_lines(state, status), flat, "Learning rate")

    def _look(self, change: Callable[[RunState, View], View]) -> None:
        self.view = change(self._state, self.view)
        self._show_charts()

    @on(Chart.Clicked)
    def _pointed(self, event: Chart.Clicked) -> None:
        self._look(lambda state, view: chart_view.pointed(state, view, event.share))

    @on(Chart.Scrolled)
    def _scrolled(self, event: Chart.Scrolled) -> None:
        there = chart_view.pointed(self._state, self.view, event.share).cursor
        self._look(lambda state, view: chart_view.zoomed(state, view, event.factor, there))

    def action_cursor(self, by: int) -> None:
        """Move the cursor by columns."""
        self._look(lambda state, view: chart_view.moved(state, view, self._columns, by))

    def action_mark(self, forward: bool) -> None:
        """Move the cursor to a mark."""
        self._look(lambda state, view: chart_view.to_mark(state, view, forward))

    def action_zoom(self, factor: float) -> None:
        """See more or less of the run."""
        self._look(lambda state, view: chart_view.zoomed(state, view, factor))

    def action_pan(self, share: float) -> None:
        """Move what is seen."""
        self._look(lambda state, view: chart_view.panned(state, view, share))

    def action_whole(self) -> None:
        """See all of the run, without a cursor."""
        self._look(lambda state, view: replace(view, window=None, cursor=None))

    def action_axis(self) -> None:
        """Count the x axis in something else."""
        self._change("axis", self.view.axis)

    def action_scale(self) -> None:
        """Draw the y axis in another way."""
        self._change("scale", self.view.scale)

    def action_smoothing(self) -> None:
        """Draw the curves smoother, or as they are."""
        self._change("smoothing", f"{self.view.smoothing:g}")

    def action_next_chart(self) -> None:
        """Show the next chart large."""
        if self._layout == "pair" and not self._alone:
            self._preferences.change("layout", "one")
        elif self._layout != "all":
            following = METRICS[(self._large + 1) % len(METRICS)]
            self._preferences.change("chart", following.key)
        self.apply_preferences()

    def action_layout(self) -> None:
        """Show two charts, one, or all."""
        self._change("layout", self._layout)

    def _change(self, name: str, now: str) -> None:
        """Take the next of a setting's values."""
        values = CHOICES[name]
        self._preferences.change(name, values[(values.index(now) + 1) % len(values)])
        self.apply_preferences()
