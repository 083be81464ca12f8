"""The process behind one browser tab: the app over a runs directory, as a view only.

It is started by `tui.runtime.web_server` for each connection and talks with it through its pipes.
"""

import os
import sys
import threading
import time
from pathlib import Path

from tui.runtime.read_only import REASON, forbid_writing, refuse_to_start

_LOOK_SECONDS = 1.0


def main(runs_dir: Path) -> None:
    """Show the runs until the connection closes."""
    forbid_writing()
    _keep_apart()
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()
    from tui.app import ConvNextApp
    from tui.preferences.preferences import Habits
    from tui.preferences.settings import SettingsFile

    # The person's own look, but nothing is kept of what a visitor changes.
    habits = Habits(SettingsFile().read())
    ConvNextApp(runs_dir, refuse_to_start, habits=habits, read_only_reason=REASON).run()


def _keep_apart() -> None:
    """Let the app alone write to the server; what else is printed goes where errors go."""
    sys.__stdout__ = os.fdopen(os.dup(1), "w", encoding="utf-8")  # type: ignore[misc]
    os.dup2(2, 1)


def _leave_with(server: int) -> None:
    """End this process when the server is gone without a word: nobody would see it any more."""
    while os.getppid() == server:
        time.sleep(_LOOK_SECONDS)
    os._exit(0)  # it holds nothing that wants closing


if __name__ == "__main__":
    main(Path(sys.argv[1]))
