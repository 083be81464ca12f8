"""What a tab of a run's screen is."""

from textual.containers import Container

from core.run.state import RunState


class RunTab(Container, can_focus=True, can_focus_children=True):
    """Shows one side of a run. It has the focus while it is seen, so that its keys are at hand."""

    def show(self, state: RunState, status: str, slow: bool) -> None:
        """Bring it up to date, on every tick while it is seen; `slow` says that it is time for
        what is drawn once a second at most."""
        raise NotImplementedError

    def take_habits(self) -> None:
        """Look at it the way the settings say from now on."""
