"""Run the read-only app for one browser tab.

`tui.runtime.web_server` starts such a process for each connection and talks to it through pipes.
"""

import os
import sys
import threading
import time
from pathlib import Path

from tui.runtime.read_only import REASON, forbid_writing, refuse_to_start

_POLL_SECONDS = 1.0


def main(runs_dir: Path) -> None:
    """Show the runs until the connection is closed."""
    forbid_writing()
    _reserve_stdout()
    threading.Thread(target=_exit_with, args=(os.getppid(),), daemon=True).start()
    from textual.drivers import web_driver

    from tui.app import ConvNextApp
    from tui.preferences.preferences import Preferences
    from tui.preferences.settings import SettingsFile
    from tui.terminal.input_parser import InputParser

    web_driver.XTermParser = InputParser  # type: ignore[assignment, attr-defined]
    # The user's preferences, but a visitor's changes are not saved.
    preferences = Preferences(SettingsFile().read())
    ConvNextApp(runs_dir, refuse_to_start, preferences=preferences, read_only_reason=REASON).run()


def _reserve_stdout() -> None:
    """Reserve standard output for the app's frames; other output goes to standard error."""
    sys.__stdout__ = os.fdopen(os.dup(1), "w", encoding="utf-8")  # type: ignore[misc]
    os.dup2(2, 1)


def _exit_with(server: int) -> None:
    """Exit when the server process no longer exists."""
    while os.getppid() == server:
        time.sleep(_POLL_SECONDS)
    os._exit(0)  # nothing is open that needs closing


if __name__ == "__main__":
    main(Path(sys.argv[1]))
