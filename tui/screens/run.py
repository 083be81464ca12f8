"""One run, live or past: is it going well, when is it done, what can be done."""

from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Click, Resize
from textual.widgets import Footer, RichLog, Static

from tui import devices, progress, wording
from tui.screens.steering import SteeringScreen
from tui.sources import RunModel
from tui.widgets import curves
from tui.widgets.chart import Chart
from tui.widgets.panel import Panel
from tui.widgets.plot import is_log

if TYPE_CHECKING:
    from tui.app import ConvNextApp

_LINES = ("headline", "facts", "notice", "phases", "progress")


class RunScreen(SteeringScreen):
    """Draws the state that its model holds; what keys ask for is `SteeringScreen`'s part."""

    CSS_PATH = "../run.tcss"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "chart", "chart", show=False, tooltip="Show the other chart"),
        Binding("r", "resume", "resume", show=False, tooltip="Go on with a run that stopped"),
        Binding("escape", "back", "runs", tooltip="Back to the list; training goes on"),
    ]

    def __init__(self, model: RunModel) -> None:
        super().__init__(model)
        self._drawn_seq = -1
        self._logged = 0
        self._log_width = 0
        self._texts: dict[str, Content] = {}
        # Held, not looked up: a tick may still come while the app takes the screen down.
        self._lines = {id: Static(id=id, markup=False, classes="line") for id in _LINES}
        self._loss, self._accuracy = Chart("loss"), Chart("accuracy")
        self._stopping, self._device = Panel("stopping", "stopping"), Panel("device", "device")
        self._speed, self._rate = Panel("speed", "speed"), Panel("lr", "rate")
        self._log = RichLog(id="log", markup=False, wrap=True, min_width=20, max_lines=2000)

    def compose(self) -> ComposeResult:
        """Lay out all widgets; the style sheet arranges them by the terminal's size."""
        yield from self._lines.values()
        with Horizontal(id="charts"):
            yield self._loss
            yield self._accuracy
        with Horizontal(id="panels"):
            yield self._stopping
            yield self._device
            yield self._speed
            yield self._rate
        with Vertical(id="log-box") as box:
            box.border_title = "log"
            yield self._log
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Draw what is known already: the first frame says something."""
        self.tick(self.clock(), charts=True)

    def on_resize(self, event: Resize) -> None:
        """Lines depend on the width."""
        self.call_after_refresh(self._redraw)

    def _redraw(self) -> None:
        self._drawn_seq = -1
        if self._log_width != self._line_width:
            self._log.clear()
            self._logged = 0
        self.tick(self.clock(), charts=True)

    @property
    def _line_width(self) -> int:
        """Cells of a line in the log: it wraps its lines once, when they are written."""
        return max(20, self.size.width - (6 if self._roomy else 3))

    @on(Click, "Chart")
    def action_chart(self) -> None:
        """Show the other chart where there is room for one only."""
        self.toggle_class("-second")
        self._redraw()

    def tick(self, now: float, charts: bool) -> None:
        """Bring the screen up to date; texts that stay the same are not sent again."""
        if not self.is_mounted:
            return
        state, status = self.model.state, self.model.status
        self.set_class(status == "paused", "-paused")
        self.set_class(status in ("failed", "interrupted"), "-broken")
        self.take_answers()
        self._show_lines(status, now)
        self._show_log()
        if charts and state.seq != self._drawn_seq:
            self._drawn_seq = state.seq
            self._show_charts()
        self._show_panels(status, speed=charts)

    def headline(self, status: str, now: float) -> Content:
        """Return what the first line says of the run."""
        return wording.headline(self.model.state, status, now)

    def _show_lines(self, status: str, now: float) -> None:
        state, source = self.model.state, self.model.source
        rows = 2 if self._roomy else 1
        width = max(40, self.size.width - 2)
        waiting = wording.waiting(self.waiting_for)
        self._set("headline", self.headline(status, now) + Content(waiting))
        self._set("facts", wording.facts(state))
        note = wording.notice(
            self.model.error, source.skipped_lines, source.read_only_reason, source.live
        )
        late = wording.stalled(state, self.model.silence) if source.live else ""
        self._set("notice", Content("; ".join(text for text in (note, late) if text)))
        self._set("phases", wording.phase_steps(state, status))
        lines = progress.progress_lines(state, status, width, rows)
        self._set("progress", progress.bars_text(lines))

    @property
    def _roomy(self) -> bool:
        return self.has_class("-tall") and not self.has_class("-narrow")

    def _set(self, id: str, content: Content) -> None:
        before = self._texts.get(id)
        if before is None or not before.is_same(content):
            rows = content.plain.count("\n") if content.plain else -1
            rows_before = before.plain.count("\n") if before and before.plain else -1
            self._texts[id] = content
            # A new layout repaints everything: only where a line comes, goes or grows.
            self._lines[id].update(content, layout=rows != rows_before or id == "notice")
            if (rows < 0) != (rows_before < 0) or before is None:
                self._lines[id].display = rows >= 0

    def _show_charts(self) -> None:
        state = self.model.state
        alone = self.has_class("-narrow") and self.has_class("-short")
        loss = curves.loss_chart(state)
        self._loss.show(
            loss,
            curves.loss_title(state, is_log(loss)),
            curves.legend(state) + (" │ c accuracy" if alone else ""),
        )
        self._accuracy.show(
            curves.accuracy_chart(state),
            curves.accuracy_title(state),
            curves.best_note(state) + (" │ c loss" if alone else ""),
        )

    def _show_panels(self, status: str, speed: bool) -> None:
        state, flat = self.model.state, not self._roomy
        sample = state.device
        lines = wording.stopping_lines(state, status, short=flat)
        self._stopping.show(lines, flat, "early stopping")
        lines = [devices.device_line(sample)] if flat else devices.device_lines(sample)
        self._device.show(lines, flat, devices.device_title(state))
        if speed:
            self._speed.show(wording.speed_lines(state), flat)
        self._rate.show(wording.rate_lines(state, status), flat, "learning rate")

    def _show_log(self) -> None:
        state = self.model.state
        new = state.log_count - self._logged
        if not new:
            return
        self._logged = state.log_count
        self._log_width = self._line_width
        lines = []
        for line in list(state.log)[-min(new, len(state.log)) :]:
            text = wording.log_line(line.time, line.level, line.text)
            if not self._roomy:  # three rows: one for a sentence, cut off rather than wrapped
                text.truncate(self._log_width, overflow="ellipsis")
            lines.append(text)
        # At once: each writing scrolls, and the log of a long run has two thousand lines.
        self._log.write(Text("\n").join(lines), width=self._log_width)

    def refresh_now(self) -> None:
        """Show that something was asked for."""
        self.tick(self.clock(), charts=False)

    def action_resume(self) -> None:
        """Go on with this run from its last checkpoint, if it doesn't train anyway."""
        app = cast("ConvNextApp", self.app)
        path = self.model.path or app.runs_dir / self.model.state.run_id
        refused = "this run is training" if self.model.source.live else app.resume(path)
        if refused:
            self.notify(refused, severity="warning", markup=False)

    def action_back(self) -> None:
        """Back to the list; a run of this process goes on."""
        self.dismiss(None)
