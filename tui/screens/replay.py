"""Replay of a run: the run screen with keys for the speed."""

from dataclasses import replace
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from tui.screens.run import RunScreen
from tui.screens.run_controls import RunControlsScreen
from tui.text.replay import position_line
from tui.viewmodel.replay import ReplayModel

_SPEED, _EPOCH, _TENTH = map(Binding.Group, ("Speed", "Epoch", "10%"))


class ReplayScreen(RunScreen):
    """Show a run as it was at the current time of the replay. Commands are refused."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "Pause", tooltip="Pause or resume the replay"),
        # Priority over the charts' keys, which zoom and pan: the mouse does that, too.
        Binding("plus,equals_sign", "speed(1)", "Faster", key_display="+", priority=True,
                group=_SPEED, tooltip="Increase the replay speed"),
        Binding("minus", "speed(-1)", "Slower", key_display="-", priority=True,
                group=_SPEED, tooltip="Decrease the replay speed"),
        Binding("comma", "epoch(False)", "Previous epoch", key_display=",", priority=True,
                group=_EPOCH, tooltip="Go back to the end of the previous epoch"),
        Binding("full_stop", "epoch(True)", "Next epoch", key_display=".", priority=True,
                group=_EPOCH, tooltip="Go to the end of the next epoch"),
        Binding("less_than_sign", "tenth(-1)", "Back 10%", key_display="<", priority=True,
                group=_TENTH, tooltip="Go back by a tenth of the run"),
        Binding("greater_than_sign", "tenth(1)", "Forward 10%", key_display=">", priority=True,
                group=_TENTH, tooltip="Go forward by a tenth of the run"),
        Binding("home", "go(0)", "Start", show=False, tooltip="Go to the start of the run"),
        Binding("end", "go(1)", "End", show=False, tooltip="Go to the end of the run"),
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
        replay = Content.styled(self.model.status_text, "bold reverse")
        return replay + Content("  ") + super().headline(status, now)

    def notice(self, width: int) -> Content:
        """Return the position of the replay."""
        source = self.model.source
        line = position_line(self.model.state, source.played_seconds, source.total, width)
        error = super().notice(width) if self.model.error else Content("")
        return line.stylize_before("$foreground") + Content("\n" if error else "") + error

    def shows_resume_key(self, status: str) -> bool:
        """Return False: a replay cannot be resumed."""
        return False

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action applies now: pausing is that of the replay."""
        return action == "pause" or super().check_action(action, parameters)

    @property
    def has_space_for_hint(self) -> bool:
        """Return False: the first steps are those of a run in training."""
        return False

    def hides_key(self, action: str) -> bool:
        """Return whether the footer leaves out a key: pausing is that of the replay."""
        return action != "pause" and super().hides_key(action)

    def action_pause(self) -> None:
        """Pause or resume the replay."""
        self.model.source.pause()
        self.refresh_now()

    def action_speed(self, steps: int) -> None:
        """Change the speed by steps."""
        self.model.source.change_speed(steps)
        self.refresh_now()

    def action_epoch(self, forward: bool) -> None:
        """Go to the end of the next or the previous epoch."""
        self.model.seek_stop(forward)
        self.redraw()

    def action_tenth(self, tenths: int) -> None:
        """Go forward or back by tenths of the run."""
        source = self.model.source
        self.model.seek(source.played_seconds + tenths * source.total / 10)
        self.redraw()

    def action_go(self, fraction: float) -> None:
        """Go to the start (0) or the end (1) of the run."""
        self.model.seek(fraction * self.model.source.total)
        self.redraw()

    def action_resume(self) -> None:
        """Notify that a replay cannot be resumed."""
        self.notify(self.model.read_only, severity="warning", markup=False)
