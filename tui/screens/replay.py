"""Replay of a run: the run screen with keys for the speed."""

from dataclasses import replace
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from tui.screens.run import RunScreen
from tui.screens.run_controls import RunControlsScreen
from tui.viewmodel.replay import ReplayModel


class ReplayScreen(RunScreen):
    """Show a run as it was at the current time of the replay. Commands are refused."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "Pause", tooltip="Pause or resume the replay"),
        # Priority over the charts' plus and minus, which zoom: the mouse wheel zooms, too.
        Binding("plus,equals_sign", "speed(1)", "Faster", key_display="+", priority=True,
                tooltip="Increase the replay speed"),
        Binding("minus", "speed(-1)", "Slower", key_display="-", priority=True,
                tooltip="Decrease the replay speed"),
        Binding("escape", "back", "Back", tooltip="Back to the run list"),
        # Bound, so that they show why they are refused, but not in the footer.
        *(
            replace(binding, show=False)
            for binding in RunControlsScreen.BINDINGS
            if isinstance(binding, Binding) and binding.key != "space"
        ),
    ]  # fmt: skip
    model: ReplayModel

    def __init__(self, model: ReplayModel) -> None:
        super().__init__(model)

    def clock(self) -> float:
        """Return the current time of the replay (Unix s)."""
        position = self.model.source.position
        return super().clock() if position is None else position

    def tick(self, now: float, charts: bool) -> None:
        """Refresh with the time of the replay instead of `now`."""
        super().tick(self.clock(), charts)

    def headline(self, status: str, now: float) -> Content:
        """Return the first line, which starts with the state of the replay."""
        replay = Content.styled(f"{self.model.status_text}  ", "bold $text-secondary")
        return replay + super().headline(status, now)

    def shows_resume_key(self, status: str) -> bool:
        """Return False: a replay cannot be resumed."""
        return False

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action applies now: pausing is that of the replay."""
        return action == "pause" or super().check_action(action, parameters)

    def action_pause(self) -> None:
        """Pause or resume the replay."""
        self.model.source.pause()
        self.refresh_now()

    def action_speed(self, steps: int) -> None:
        """Change the speed by steps."""
        self.model.source.change_speed(steps)
        self.refresh_now()

    def action_resume(self) -> None:
        """Notify that a replay cannot be resumed."""
        self.notify(self.model.read_only, severity="warning", markup=False)
