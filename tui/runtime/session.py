"""Own the engine thread of this process, with or without the app."""

import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from core.common.errors import SetupError
from tui.terminal.terminal import redirect_output

if TYPE_CHECKING:
    from core.config.schema import Config
    from core.run.folder import RunFolder
    from core.session.engine_thread import EngineThread
    from core.session.resume import Resumption
    from tui.viewmodel.run_source import EngineSource, LaunchedRun

_FIRST_FRAME_SECONDS = 1.0
"""How long the engine waits for the app to draw the run screen."""


class Session:
    """Start runs, one at a time, and keep the current engine thread."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self.engine: EngineThread | None = None
        self.has_screen = False
        """Whether the app has the terminal, so that stray output is redirected to the run's log."""
        self._source: EngineSource | None = None
        self._stopping = ""

    @property
    def training(self) -> bool:
        """Whether this process trains a run."""
        return self.engine is not None and self.engine.alive

    def start_run(self, config: "Config", resumption: "Resumption | None" = None) -> "LaunchedRun":
        """Start or resume a run.

        Raises SetupError when the run can't start, another run is in progress, or the process was
        told to stop.
        """
        # Imported here, as the app's first frame must not wait for it.
        from core.session.engine_thread import EngineThread
        from tui.viewmodel.run_source import EngineSource, LaunchedRun

        if self._stopping:
            raise SetupError(self._stopping)
        if self.training:
            raise SetupError("this process already trains a run; stop it or wait for its end")
        shown = threading.Event()
        self.engine = EngineThread(
            config,
            self.runs_dir,
            resumption=resumption,
            on_folder=self._redirect_to_log,
            on_start=partial(self._let_draw, shown),
        )
        self._source = EngineSource(self.engine)
        self.engine.start()
        return LaunchedRun(self._source, shown=shown.set)

    def screen_closed(self) -> None:
        """Note that the app was closed; the run continues."""
        self.has_screen = False
        if self._source is not None:
            self._source.close()

    def _let_draw(self, shown: threading.Event) -> None:
        # The engine's first imports hold the GIL for half a second: a screen that is being laid out
        # would freeze.
        if self.has_screen:
            shown.wait(_FIRST_FRAME_SECONDS)

    def _redirect_to_log(self, folder: "RunFolder") -> None:
        # Only while the app has the terminal; headless, descriptors 1 and 2 are the output.
        if self.has_screen:
            redirect_output(folder.log)

    def stop(self, reason: str) -> None:
        """Tell the engine to save and stop, and refuse to start another run."""
        self._stopping = reason
        if self.engine is not None:
            from core.events.commands import Stop  # already imported by the engine

            self.engine.send(Stop(reason=reason))
