"""What the app remembers of the person who uses it."""

import threading

from core.common.errors import SetupError, os_error_text
from tui.preferences.settings import Settings, SettingsFile, changed


def remembered(theme: str | None, read_only: bool) -> "Preferences":
    """Return the person's settings, with another theme where one is asked for, which is kept but
    by a process that may not write; raises SetupError for a theme that there isn't."""
    from textual.theme import BUILTIN_THEMES

    from tui.preferences.themes import THEMES

    file = SettingsFile()
    preferences = Preferences(file.read(), None if read_only else file)
    if theme is not None:
        known = [*(own.name for own in THEMES), *BUILTIN_THEMES]
        if theme not in known:
            raise SetupError(f"--theme is {theme!r}; expected one of: {', '.join(known)}")
        preferences.change("theme", theme)
    return preferences


class Preferences:
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
                self.trouble = f"settings can't be kept: {os_error_text(error)}"
