"""Calling the person: the terminal's title, and news of what has ended."""

from tui.preferences.preferences import Habits
from tui.terminal import osc
from tui.text.milestones import Milestones, run_title
from tui.viewmodel.run_source import RunModel


class Caller:
    """Keeps the terminal's title up to date, and says when a phase of a run has ended."""

    def __init__(self, habits: Habits) -> None:
        self._habits = habits
        self._title = ""
        self._milestones: dict[int, Milestones] = {}

    def begin(self) -> str:
        """Return what to send to the terminal before anything else."""
        return osc.PUSH_TITLE if self._habits.settings.title == "on" else ""

    def end(self) -> str:
        """Return what gives the terminal its title back."""
        return osc.POP_TITLE if self._title else ""

    def news(self, models: list[RunModel]) -> list[str]:
        """Return what has ended in these runs since the last look; the first one is no news."""
        known, self._milestones = self._milestones, {}
        said: list[str] = []
        for model in models:
            seen = known.get(id(model)) or Milestones(model.state)
            self._milestones[id(model)] = seen
            said += seen.new(model.state)
        return said

    def call(self, news: list[str]) -> str:
        """Return what calls the person with these news."""
        how = self._habits.settings.notify
        if not news or how == "off":
            return ""
        return osc.BELL if how == "bell" else "".join(map(osc.desktop_notification, news))

    def retitle(self, model: RunModel | None) -> str:
        """Return what sets the title to a run, or to the app's name; empty where it says so."""
        if self._habits.settings.title == "off":
            return ""
        text = run_title(model.state, model.status) if model else "convnext-tui"
        if text == self._title:
            return ""
        self._title = text
        return osc.set_title(text)
