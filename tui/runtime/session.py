"""What `main()` owns: at most one engine thread, whether an app watches it or not."""

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
    from tui.viewmodel.run_source import EngineSource, Launched

_LONGEST_DRAWING = 1.0
"""Seconds."""


class Session:
    """Starts runs one after the other and waits for the last one."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self.engine: EngineThread | None = None
        self.has_screen = False
        """Whether an app holds the terminal, so that stray output belongs into the run's log."""
        self._source: EngineSource | None = None
        self._stopping = ""

    @property
    def training(self) -> bool:
        """Whether a run is going in this process."""
        return self.engine is not None and self.engine.alive

    def start_run(self, config: "Config", resumption: "Resumption | None" = None) -> "Launched":
        """Begin a run, or go on with one; raises SetupError when it can't begin, another one
        is going or the process was asked to stop."""
        # Not with the module: the app's first frame would wait for it.
        from core.session.engine_thread import EngineThread
        from tui.viewmodel.run_source import EngineSource, Launched

        if self._stopping:
            raise SetupError(self._stopping)
        if self.training:
            raise SetupError("a run is training in this process; stop it or wait for its end")
        shown = threading.Event()
        self.engine = EngineThread(
            config,
            self.runs_dir,
            resumption=resumption,
            on_folder=self._keep_output,
            first=partial(self._let_draw, shown),
        )
        self._source = EngineSource(self.engine)
        self.engine.start()
        return Launched(self._source, shown=shown.set)

    def screen_closed(self) -> None:
        """The app has left, whatever becomes of the run."""
        self.has_screen = False
        if self._source is not None:
            self._source.close()

    def _let_draw(self, shown: threading.Event) -> None:
        # The engine's first imports hold the interpreter's lock for half a second: a screen that
        # is just being laid out would stand still that long.
        if self.has_screen:
            shown.wait(_LONGEST_DRAWING)

    def _keep_output(self, folder: "RunFolder") -> None:
        # Only while the app has the screen; headless, descriptors 1 and 2 are the output itself.
        if self.has_screen:
            redirect_output(folder.log)

    def stop(self, reason: str) -> None:
        """Ask the engine to save and stop, and start none from now on."""
        self._stopping = reason
        if self.engine is not None:
            from core.events.commands import Stop  # the engine has it already

            self.engine.send(Stop(reason=reason))
