"""Base class for tabs on the run screen."""

from textual.containers import Container

from core.run.state import RunState


class RunTab(Container, can_focus=True, can_focus_children=True):
    """Show one aspect of a run. The open tab has the focus, so that its keys work."""

    def show(self, state: RunState, status: str, slow: bool) -> None:
        """Show the state of the run. Called on every tick while the tab is open; `slow` is true
        about once per second, for drawing that is too expensive for every tick."""
        raise NotImplementedError

    def apply_preferences(self) -> None:
        """Apply changed settings."""
