"""What `main()` owns: at most one engine thread, whether an app watches it or not."""

import sys
from pathlib import Path

from core.commands import Stop
from core.config import Config
from core.errors import SetupError
from core.journal import replay
from core.resume import Resumption
from core.run_state import RunState
from core.runs import DEFAULT_DIR, RunFolder
from core.worker import EXIT_FINISHED, EngineThread
from tui.headless import follow, make_view, where_it_is
from tui.interrupts import Interrupts
from tui.sources import EngineSource, Launched
from tui.terminal import divert, show_cursor


class Session:
    """Starts runs one after the other and waits for the last one."""

    def __init__(self, runs_dir: Path = Path(DEFAULT_DIR)) -> None:
        self.runs_dir = runs_dir
        self.engine: EngineThread | None = None
        self.has_screen = False
        """Whether an app holds the terminal, so that stray output belongs into the run's log."""
        self._source: EngineSource | None = None

    @property
    def training(self) -> bool:
        """Whether a run is going in this process."""
        return self.engine is not None and self.engine.alive

    def start_run(self, config: Config, resumption: Resumption | None = None) -> Launched:
        """Begin a run, or go on with one; raises SetupError when it can't begin or another one
        is going."""
        if self.training:
            raise SetupError("a run is training in this process; stop it or wait for its end")
        self.engine = EngineThread(
            config, self.runs_dir, resumption=resumption, on_folder=self._keep_output
        )
        self._source = EngineSource(self.engine)
        self.engine.start()
        return Launched(self._source)

    def screen_closed(self) -> None:
        """The app has left, whatever becomes of the run."""
        self.has_screen = False
        if self._source is not None:
            self._source.close()

    def _keep_output(self, folder: RunFolder) -> None:
        # Only while the app has the screen; headless, descriptors 1 and 2 are the output itself.
        if self.has_screen:
            divert(folder.log)

    def stop(self, reason: str) -> None:
        """Ask the engine, if there is one, to save and stop."""
        if self.engine is not None:
            self.engine.send(Stop(reason=reason))


def run_headless(
    config: Config, runs_dir: Path, log_format: str, resumption: Resumption | None = None
) -> int:
    """Train without the app; returns the exit code."""
    engine = EngineThread(config, runs_dir, resumption=resumption)
    interrupts = Interrupts(lambda reason: engine.send(Stop(reason=reason)), show_cursor)
    queue = engine.subscribe()
    view = make_view(log_format, sys.stdout)
    engine.start()
    result = follow(engine, queue, view)
    _report(engine, quiet=log_format == "json")
    return result.exit_code if interrupts.exit_code is None else interrupts.exit_code


def finish_headless(session: Session, interrupts: Interrupts, hung_up: bool = False) -> int:
    """Go on without the app until the session's run is over; returns the exit code.

    After `hung_up` there is no terminal to write to: the lines go into the run's log.
    """
    engine = session.engine
    if engine is None:
        return EXIT_FINISHED if interrupts.exit_code is None else interrupts.exit_code
    state, queue = RunState(), engine.subscribe()
    if engine.alive:
        if engine.folder is not None:
            for record in replay(engine.folder.journal)[0]:
                state.apply(record)
            if hung_up:
                divert(engine.folder.log)
        follow(engine, queue, make_view("plain" if hung_up else "auto", sys.stdout), state)
    _report(engine, quiet=False)
    if interrupts.exit_code is not None:
        return interrupts.exit_code
    return engine.result.exit_code if engine.result else EXIT_FINISHED


def _report(engine: EngineThread, quiet: bool) -> None:
    result = engine.result
    if result is None:
        return
    if result.outcome == "failed":
        log = f"\nmore in {engine.folder.log}" if engine.folder else ""
        print(f"error: {result.reason}{log}", file=sys.stderr)
    if engine.folder is not None and not quiet:
        try:
            print(where_it_is(engine.folder), flush=True)
        except (OSError, ValueError):
            return  # nobody is there to read it
