"""Terminal title, bell and desktop notifications."""

from tui.preferences.preferences import Preferences
from tui.terminal import osc
from tui.text.milestones import Milestones, run_title
from tui.viewmodel.run_source import RunModel


class Notifier:
    """Compose the control sequences that update the terminal title and notify when a phase or a
    run has ended. The caller writes them to the terminal."""

    def __init__(self, preferences: Preferences) -> None:
        self._preferences = preferences
        self._title = ""
        self._milestones: dict[int, Milestones] = {}

    def begin(self) -> str:
        """Return the sequence to send first: save the terminal's own title."""
        return osc.PUSH_TITLE if self._preferences.settings.title == "on" else ""

    def end(self) -> str:
        """Return the sequence to send last: restore the terminal's own title."""
        return osc.POP_TITLE if self._title else ""

    def new_milestones(self, models: list[RunModel]) -> list[str]:
        """Return which phases and runs have ended since the last call.

        Those that ended before a run was first seen are not reported.
        """
        known, self._milestones = self._milestones, {}
        ended: list[str] = []
        for model in models:
            milestones = known.get(id(model)) or Milestones(model.state)
            self._milestones[id(model)] = milestones
            ended += milestones.new(model.state)
        return ended

    def notification(self, milestones: list[str]) -> str:
        """Return the sequence that notifies of milestones, as the settings say; empty for none."""
        method = self._preferences.settings.notify
        if not milestones or method == "off":
            return ""
        if method == "bell":
            return osc.BELL
        return "".join(map(osc.desktop_notification, milestones))

    def update_title(self, model: RunModel | None) -> str:
        """Return the sequence that sets the title to a run or to the app's name; empty if it has
        not changed."""
        if self._preferences.settings.title == "off":
            return ""
        text = run_title(model.state, model.status) if model else "convnext-tui"
        if text == self._title:
            return ""
        self._title = text
        return osc.set_title(text)
