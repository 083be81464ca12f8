"""Keys that send commands to a run, with a dialog or a preview where the effect is permanent."""

from collections.abc import Callable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.screen import Screen

from core.common.text import printable
from core.events import commands
from core.events import types as events
from tui.dialogs.choice import Choice, ChoiceDialog
from tui.dialogs.value import ValueDialog
from tui.text import previews
from tui.viewmodel.run_source import RunModel
from tui.widgets.host import host

_COMMAND_ACTIONS = {"pause", "continue", "patience", "rate", "save", "next_phase", "stop"}


class RunControlsScreen(Screen[None]):
    """Base class for screens over one run: send commands and wait for the replies."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "Pause", tooltip="Pause training after the current step"),
        Binding("space", "continue", "Resume", tooltip="Resume paused training"),
        Binding("p", "patience", "Patience",
                tooltip="Change the early stopping patience of this phase"),
        Binding("L", "rate", "LR", tooltip="Change the learning rate of this phase"),
        Binding("s", "save", "Save", tooltip="Save a checkpoint now, also while paused"),
        Binding("n", "next_phase", "Next", tooltip="End this phase and start the next one"),
        Binding("x", "stop", "Stop", tooltip="Save a checkpoint and stop the run"),
    ]  # fmt: skip

    def __init__(self, model: RunModel) -> None:
        super().__init__()
        self.model = model
        self._pending: dict[str, str] = {}
        """Labels of commands without a reply, by command id."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action applies now: commands only until the run has ended."""
        if action not in _COMMAND_ACTIONS:
            return True
        is_paused = self.model.state.status == "paused"
        if action == ("pause" if is_paused else "continue"):
            return False
        return not (self.model.state.over or self.model.status == "interrupted")

    def hides_key(self, action: str) -> bool:
        """Return whether the footer leaves out a key: it would only show why it has no effect."""
        return action in _COMMAND_ACTIONS and bool(self.model.read_only)

    @property
    def pending_commands(self) -> list[str]:
        """Labels of commands that the engine has not replied to yet."""
        return list(self._pending.values())

    def clock(self) -> float:
        """Return the current time of the app's clock (Unix s)."""
        return host(self).clock()

    def refresh_now(self) -> None:
        """Show a pending command without waiting for the next tick."""

    def take_replies(self) -> None:
        """Remove commands that the engine has replied to, and notify of refused ones."""
        for reply in self.model.state.replies if self._pending else ():
            label = self._pending.pop(reply.id, None)
            if label and isinstance(reply, events.CommandRefused):
                self._warn(f"{label} refused: {printable(reply.reason)}")

        if self.model.state.over:
            self._pending.clear()

    def _warn(self, text: str) -> None:
        self.notify(text, severity="warning", markup=False)

    def _send(self, command: commands.Command, label: str) -> None:
        if self.model.send(command):
            self._pending[command.id] = label
            self.refresh_now()
        else:
            self._warn(self.model.read_only or "this run is over")

    def _accepts_commands(self, in_phase: bool = False) -> bool:
        """Return whether a command can be sent now, after a notification if it cannot."""
        reason = self.model.read_only
        phase = self.model.state.current
        if not reason and in_phase and (phase is None or phase.status != "running"):
            reason = "no phase is running yet" if phase is None else "this phase is ending"
        if reason:
            self._warn(reason)
        return not reason

    def action_pause(self) -> None:
        """Pause training."""
        if self._accepts_commands():
            self._send(commands.Pause(), "pause")

    def action_continue(self) -> None:
        """Resume paused training."""
        if self._accepts_commands():
            self._send(commands.Resume(), "resume")

    def action_save(self) -> None:
        """Save a checkpoint."""
        if self._accepts_commands():
            self._send(commands.SaveCheckpoint(), "save")

    def action_patience(self) -> None:
        """Ask for a new patience of the running phase, with a preview of its effect."""
        phase = self.model.state.current
        if not self._accepts_commands(in_phase=True) or phase is None or phase.stopping is None:
            return

        def apply(value: float | None) -> None:
            if value is not None:
                command = commands.SetPatience(patience=int(value), phase=phase.name)
                self._send(command, f"patience {int(value)}")

        dialog = ValueDialog(
            f"Patience of phase {printable(phase.name)}",
            lambda: previews.patience_now(phase),
            str(phase.stopping.patience),
            lambda typed: previews.preview_patience(phase, typed),
        )
        self.app.push_screen(dialog, apply)

    def action_rate(self) -> None:
        """Ask for a new learning rate of the running phase, with a preview of its effect."""
        phase = self.model.state.current
        if not self._accepts_commands(in_phase=True) or phase is None:
            return

        def apply(value: float | None) -> None:
            if value is not None:
                self._send(commands.SetLearningRate(lr=value, phase=phase.name), f"lr {value:g}")

        dialog = ValueDialog(
            f"Learning rate of phase {printable(phase.name)}",
            lambda: f"currently {phase.lr:.4g}",
            f"{phase.lr:.4g}",
            lambda typed: previews.preview_rate(phase, typed),
        )
        self.app.push_screen(dialog, apply)

    def action_next_phase(self) -> None:
        """Ask, as it cannot be undone, then end the running phase."""
        phase = self.model.state.current
        if not self._accepts_commands(in_phase=True) or phase is None:
            return
        self._confirm(
            "End this phase?",
            previews.next_phase_question(self.model.state),
            Choice("enter", "Enter", "End the phase now", "yes"),
            "Continue the phase",
            lambda: self._send(commands.EndPhase(phase=phase.name), "next phase"),
        )

    def action_stop(self) -> None:
        """Ask, then save a checkpoint and stop the run."""
        if not self._accepts_commands():
            return
        self._confirm(
            "Stop this run?",
            "A checkpoint is saved at the next step, then the run stops. It can be resumed.",
            Choice("enter", "Enter", "Save a checkpoint and stop", "yes"),
            "Continue training",
            lambda: self._send(commands.Stop(), "stop"),
        )

    def _confirm(
        self, title: str, question: str, yes: Choice, cancel: str, act: Callable[[], None]
    ) -> None:
        self.app.push_screen(
            ChoiceDialog(title, question, [yes], cancel), lambda answer: act() if answer else None
        )
