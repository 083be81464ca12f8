"""A run played again: the run's screen with keys for the speed."""

from dataclasses import replace
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from tui.screens.run import RunScreen
from tui.screens.run_controls import SteeringScreen
from tui.viewmodel.replay import ReplayModel


class ReplayScreen(RunScreen):
    """Shows a run as it was at the replay's time; commands are refused."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "hold", tooltip="Hold the replay; again: go on"),
        # Before the charts' own plus and minus: these zoom, which the mouse wheel does, too.
        Binding(
            "plus,equals_sign",
            "speed(1)",
            "faster",
            key_display="+",
            priority=True,
            tooltip="Play faster",
        ),
        Binding(
            "minus", "speed(-1)", "slower", key_display="-", priority=True, tooltip="Play slower"
        ),
        Binding("escape", "back", "runs", tooltip="Back to the list"),
        # They still say why nothing comes of them, but not in the footer.
        *(
            replace(binding, show=False)
            for binding in SteeringScreen.BINDINGS
            if isinstance(binding, Binding) and binding.key != "space"
        ),
    ]
    model: ReplayModel

    def __init__(self, model: ReplayModel) -> None:
        super().__init__(model)

    def clock(self) -> float:
        """The time that is being shown."""
        position = self.model.source.position
        return super().clock() if position is None else position

    def tick(self, now: float, charts: bool) -> None:
        """Draw the run as it was then."""
        super().tick(self.clock(), charts)

    def headline(self, status: str, now: float) -> Content:
        """Say that this is no live run, before all else."""
        words = Content.styled(f"{self.model.words}  ", "bold $text-secondary")
        return words + super().headline(status, now)

    def helps(self, status: str) -> bool:
        """What was wrong then can't be mended in a replay."""
        return False

    def action_pause(self) -> None:
        """Hold the replay, or go on with it."""
        self.model.source.pause()
        self.refresh_now()

    def action_speed(self, steps: int) -> None:
        """Play faster or slower."""
        self.model.source.change_speed(steps)
        self.refresh_now()

    def action_resume(self) -> None:
        """Nothing is trained from here."""
        self.notify(self.model.read_only, severity="warning", markup=False)
