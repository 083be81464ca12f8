"""What the app remembers of the person who uses it, and how it calls them."""

import threading

from core.errors import SetupError
from tui import signals
from tui.settings import Settings, SettingsFile, changed
from tui.sources import RunModel


class Habits:
    """The settings of this session, kept in a file where there is one."""

    def __init__(self, settings: Settings | None = None, file: SettingsFile | None = None) -> None:
        """Without a file nothing outlives the session."""
        self.settings = settings or Settings()
        self.trouble = file.trouble if file else ""
        """What is wrong with the file, for the person; empty while all is well."""
        self._file = file
        self._lock = threading.Lock()

    def change(self, name: str, value: str) -> None:
        """Change a setting and keep it, in a thread: the home folder may be slow. A value that it
        can't have changes nothing."""
        try:
            settings = changed(self.settings, name, value)
        except SetupError:
            return
        if settings != self.settings:
            self.settings = settings
            if self._file is not None:
                threading.Thread(target=self._write, name="settings").start()

    def _write(self) -> None:
        assert self._file is not None
        with self._lock:  # one after the other, each with what holds by then
            try:
                self._file.write(self.settings)
            except OSError as error:
                self.trouble = f"settings can't be kept: {error.strerror or error}"


class Caller:
    """Keeps the terminal's title up to date, and says when a phase of a run has ended."""

    def __init__(self, habits: Habits) -> None:
        self._habits = habits
        self._title = ""
        self._milestones: dict[int, signals.Milestones] = {}

    def begin(self) -> str:
        """Return what to send to the terminal before anything else."""
        return signals.KEEP_TITLE if self._habits.settings.title == "on" else ""

    def end(self) -> str:
        """Return what gives the terminal its title back."""
        return signals.GIVE_TITLE_BACK if self._title else ""

    def news(self, models: list[RunModel]) -> list[str]:
        """Return what has ended in these runs since the last look; the first one is no news."""
        known, self._milestones = self._milestones, {}
        said: list[str] = []
        for model in models:
            seen = known.get(id(model)) or signals.Milestones(model.state)
            self._milestones[id(model)] = seen
            said += seen.news(model.state)
        return said

    def call(self, news: list[str]) -> str:
        """Return what calls the person with these news."""
        how = self._habits.settings.notify
        if not news or how == "off":
            return ""
        return "\x07" if how == "bell" else "".join(map(signals.message, news))

    def retitle(self, model: RunModel | None) -> str:
        """Return what sets the title to a run, or to the app's name; empty where it says so."""
        if self._habits.settings.title == "off":
            return ""
        text = signals.run_title(model.state, model.status) if model else "convnext-tui"
        if text == self._title:
            return ""
        self._title = text
        return signals.title(text)
