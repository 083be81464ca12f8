"""Dialog with a learning rate range test for the new-run form."""

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from core.analysis.lr_range import rounded
from core.common import format as fmt
from core.common.errors import SetupError
from core.common.text import printable
from core.config.schema import Config
from core.session.lr_find import LrRangeTest
from tui.charts import lr_range
from tui.charts.spec import ChartSpec
from tui.preferences.palettes import palette_of
from tui.text.labels import sentence_case
from tui.text.lr_range import headline, verdict
from tui.viewmodel.lr_find_process import find_lr
from tui.widgets.chart import Chart
from tui.widgets.footer import KeyFooter

_BAR_CELLS = 30


class LrFindScreen(ModalScreen[tuple[str, str] | None]):
    """Run a range test in a separate process, draw its losses, and return the config key and the
    learning rate that was accepted, or None."""

    CSS_PATH = "../lr_find.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "use", "Use rate", priority=True,
                tooltip="Enter the suggested learning rate in the form"),
        Binding("p", "phase", "Other phase", tooltip="Test the learning rate of the other phase"),
        Binding("r", "repeat", "Repeat", tooltip="Repeat the test"),
        Binding("escape", "back", "Back",
                tooltip="Back to the form without a change; cancels the test"),
    ]  # fmt: skip

    def __init__(self, config: Config) -> None:
        super().__init__()
        self._config = config
        self._phases = config.phases.left()
        self._phase = self._phases[0] if self._phases else ""
        self._results: dict[str, LrRangeTest] = {}
        self._tested = ""
        """The phase of the test in progress."""
        self._head = Static("", id="lr-head", markup=False)
        self._chart = Chart("lr-chart")
        self._text = Static("", id="lr-text", markup=False)
        self._use = Button("Enter  Use rate", id="use", variant="primary", compact=True)
        self._other = Button("", id="other", compact=True)

    def compose(self) -> ComposeResult:
        """Create the chart above the result and the buttons."""
        with Vertical(id="lr-box") as box:
            box.border_title = Content("Find a learning rate")
            yield self._head
            yield self._chart
            yield self._text
            with Horizontal(id="lr-buttons"):
                yield self._use
                yield self._other
                yield Button("Esc  Back", id="back", compact=True)
        yield KeyFooter()

    def on_mount(self) -> None:
        """Start the test of the first phase."""
        self._other.display = len(self._phases) > 1
        if self._phase:
            self._show_phase()
        else:
            self._head.update("both phases have 0 epochs: there is nothing to train")
            self._use.display = self._chart.display = False

    def _show_phase(self) -> None:
        """Show the result of the phase, or start its test."""
        test = self._results.get(self._phase)
        self._chart.display = test is not None
        others = [phase for phase in self._phases if phase != self._phase]
        self._other.label = f"p  Phase {others[0]}" if others else ""
        self._use.display = self._suggested() is not None
        if test is None:
            self._show_progress("starting", 0, None)
            self._text.update("The weights are discarded, and no run is created.")
            self._tested = self._phase
            self._run(self._phase)
        else:
            self._head.update(Content(sentence_case(headline(test))))
            self._text.update(Content(_result_text(test)))
            self.call_after_refresh(self._draw)
        self.refresh_bindings()

    def _show_progress(self, stage: str, done: int, total: int | None) -> None:
        lines = [f"Phase {self._phase}: {printable(stage)} …"]
        if total:
            filled = round(_BAR_CELLS * min(1.0, done / total))
            bar = "━" * filled + "─" * (_BAR_CELLS - filled)
            lines.append(f"{bar}  {fmt.count(done)} of {fmt.count(total)}")
        self._head.update(Content("\n".join(lines)))

    @work(exclusive=True, group="test")
    async def _run(self, phase: str) -> None:
        """Run the test of a phase; leaving the dialog cancels it."""
        try:
            self._results[phase] = await find_lr(self._config, phase, self._show_progress)
        except (SetupError, OSError) as error:
            self._head.update(Content(f"Phase {phase}: the test failed"))
            self._text.update(Content(str(error)))
            return
        finally:
            if self._tested == phase:  # not that of a test that has replaced this one
                self._tested = ""
                self.refresh_bindings()
        self._show_phase()

    def _draw(self) -> None:
        test = self._results.get(self._phase)
        if test is not None:
            spec: ChartSpec = lr_range.chart(test, palette_of(self.app))
            self._chart.show(spec, "loss over learning rate", ())

    def _suggested(self) -> float | None:
        test = self._results.get(self._phase)
        return test.suggestion.rate if test else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action applies now."""
        if action == "use":
            return self._suggested() is not None
        if action == "phase":
            return len(self._phases) > 1
        return action != "repeat" or not self._tested

    @on(Button.Pressed, "#use")
    def action_use(self) -> None:
        """Return the suggested learning rate."""
        rate = self._suggested()
        if rate is not None:
            self.dismiss((self._results[self._phase].key, rounded(rate)))

    @on(Button.Pressed, "#other")
    def action_phase(self) -> None:
        """Test the other phase."""
        self._phase = next(phase for phase in self._phases if phase != self._phase)
        self.workers.cancel_group(self, "test")
        self._show_phase()

    def action_repeat(self) -> None:
        """Repeat the test."""
        self._results.pop(self._phase, None)
        self._show_phase()

    @on(Button.Pressed, "#back")
    def action_back(self) -> None:
        """Return to the form; the test is canceled with the screen."""
        self.dismiss(None)


def _result_text(test: LrRangeTest) -> str:
    lines = [lr_range.legend(test), *verdict(test)]
    return "\n".join(printable(line) for line in lines if not line.startswith("to use it"))
