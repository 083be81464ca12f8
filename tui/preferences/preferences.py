"""User preferences of the running app."""

import threading

from core.common.errors import SetupError, os_error_text
from core.common.text import quoted
from tui.preferences.settings import Settings, SettingsFile, with_setting


def load_preferences(theme: str | None, read_only: bool) -> "Preferences":
    """Return the user's preferences; `theme` replaces the saved theme in this session. Raises
    SetupError for an unknown theme."""
    from textual.theme import BUILTIN_THEMES

    from tui.preferences.themes import THEMES

    file = SettingsFile()
    if theme is not None:
        known = [*(own.name for own in THEMES), *BUILTIN_THEMES]
        if theme not in known:
            raise SetupError(f"--theme is {quoted(theme)}; expected one of: {', '.join(known)}")
    return Preferences(file.read(), None if read_only else file, theme)


class Preferences:
    """The settings of this session, saved in a file if there is one."""

    def __init__(
        self,
        settings: Settings | None = None,
        file: SettingsFile | None = None,
        theme: str | None = None,
    ) -> None:
        """Without a file nothing is saved. `theme` replaces that of the settings and is not
        saved."""
        self.settings = settings or Settings()
        self.has_given_theme = theme is not None
        if theme is not None:
            self.settings = with_setting(self.settings, "theme", theme)
        self.error = file.error if file else ""
        """Problem with the file, shown to the user; empty if there is none."""
        self._file = file
        self._changed: set[str] = set()
        self._lock = threading.Lock()

    def change(self, name: str, value: str) -> None:
        """Change a setting and save it in a thread, because the home folder may be slow. An invalid
        value changes nothing."""
        try:
            settings = with_setting(self.settings, name, value)
        except SetupError:
            return
        if settings != self.settings:
            self.settings = settings
            self._changed.add(name)
            if self._file is not None:
                threading.Thread(target=self._write, name="settings").start()

    def _write(self) -> None:
        assert self._file is not None
        with self._lock:  # one after the other, each with the values current at that time
            try:
                self._file.write(self.settings, tuple(self._changed))
            except OSError as error:
                self.error = f"can't save the settings: {os_error_text(error)}"
