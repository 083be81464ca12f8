"""Steering a run: from keys to commands, with a question or a preview where it matters."""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, cast

from textual.binding import Binding, BindingType
from textual.screen import Screen

from core.common.text import printable
from core.events import commands
from core.events import types as events
from tui.dialogs.choice_and_value import Choice, ChoiceDialog, ValueDialog
from tui.text import previews
from tui.viewmodel.run_source import RunModel

if TYPE_CHECKING:
    from tui.app import ConvNextApp


_STEERS = {"pause", "patience", "rate", "save", "next_phase", "stop"}


class SteeringScreen(Screen[None]):
    """A screen over one run that sends what keys ask for and waits for the answers."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "pause", tooltip="Pause after this step; again: go on"),
        Binding("p", "patience", "patience", tooltip="Change this phase's early stopping"),
        Binding("L", "rate", "lr", tooltip="Change this phase's learning rate"),
        Binding("s", "save", "save", tooltip="Write a checkpoint now, also while paused"),
        Binding("n", "next_phase", "next", tooltip="End this phase, begin the next one"),
        Binding("x", "stop", "stop", tooltip="Save a checkpoint and end the run"),
    ]

    def __init__(self, model: RunModel) -> None:
        super().__init__()
        self.model = model
        self._asked: dict[str, str] = {}

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show keys that steer only as long as there is something to steer."""
        return not (action in _STEERS and self.model.state.over)

    @property
    def waiting_for(self) -> list[str]:
        """What was asked and not yet answered, in words."""
        return list(self._asked.values())

    def clock(self) -> float:
        """The time by the app's clock."""
        return cast("ConvNextApp", self.app).clock()

    def refresh_now(self) -> None:
        """Show that something was asked for."""

    def take_answers(self) -> None:
        """Note what the engine said to what was asked; a refusal is worth a notification."""
        for answer in self.model.state.answers if self._asked else ():
            asked = self._asked.pop(answer.id, None)
            if asked and isinstance(answer, events.CommandRefused):
                self._warn(f"{asked} refused: {printable(answer.reason)}")

        if self.model.state.over:
            self._asked.clear()

    def _warn(self, text: str) -> None:
        self.notify(text, severity="warning", markup=False)

    def _send(self, command: commands.Command, words: str) -> None:
        if self.model.send(command):
            self._asked[command.id] = words
            self.refresh_now()
        else:
            self._warn(self.model.read_only or "this run is over")

    def _steerable(self, in_phase: bool = False) -> bool:
        """Whether commands make sense now; if not, say why."""
        reason = self.model.read_only
        phase = self.model.state.current
        if not reason and in_phase and (phase is None or phase.status != "running"):
            reason = "no phase is running yet" if phase is None else "the phase is just ending"
        if reason:
            self._warn(reason)
        return not reason

    def action_pause(self) -> None:
        """Pause, or go on after a pause."""
        if not self._steerable():
            return
        if self.model.state.status == "paused":
            self._send(commands.Resume(), "going on")
        else:
            self._send(commands.Pause(), "pause")

    def action_save(self) -> None:
        """Write a checkpoint now."""
        if self._steerable():
            self._send(commands.SaveCheckpoint(), "a checkpoint")

    def action_patience(self) -> None:
        """Change the running phase's patience, after a look at what it would do."""
        phase = self.model.state.current
        if not self._steerable(in_phase=True) or phase is None or phase.stopping is None:
            return

        def done(value: float | None) -> None:
            if value is not None:
                command = commands.SetPatience(patience=int(value), phase=phase.name)
                self._send(command, f"patience {int(value)}")

        dialog = ValueDialog(
            f"patience of phase {printable(phase.name)}",
            lambda: previews.patience_now(phase),
            str(phase.stopping.patience),
            lambda typed: previews.preview_patience(phase, typed),
        )
        self.app.push_screen(dialog, done)

    def action_rate(self) -> None:
        """Change the running phase's learning rate."""
        phase = self.model.state.current
        if not self._steerable(in_phase=True) or phase is None:
            return

        def done(value: float | None) -> None:
            if value is not None:
                self._send(commands.SetLearningRate(lr=value, phase=phase.name), f"lr {value:g}")

        dialog = ValueDialog(
            f"learning rate of phase {printable(phase.name)}",
            lambda: f"now {phase.lr:.4g}",
            f"{phase.lr:.4g}",
            lambda typed: previews.preview_rate(phase, typed),
        )
        self.app.push_screen(dialog, done)

    def action_next_phase(self) -> None:
        """End the running phase; there is no way back, so it asks."""
        phase = self.model.state.current
        if not self._steerable(in_phase=True) or phase is None:
            return
        self._ask(
            "end this phase?",
            previews.next_phase_question(self.model.state),
            Choice("enter", "Enter", "end the phase now", "yes"),
            "let the phase go on",
            lambda: self._send(commands.EndPhase(phase=phase.name), "the next phase"),
        )

    def action_stop(self) -> None:
        """Save and end the run, after a question."""
        if not self._steerable():
            return
        self._ask(
            "stop this run?",
            "A checkpoint is saved at the next step, then the run ends.",
            Choice("enter", "Enter", "save and stop", "yes"),
            "go on training",
            lambda: self._send(commands.Stop(), "stop"),
        )

    def _ask(
        self, title: str, question: str, yes: Choice, stay: str, act: Callable[[], None]
    ) -> None:
        self.app.push_screen(
            ChoiceDialog(title, question, [yes], stay), lambda answer: act() if answer else None
        )
