"""Train without the app, from the start or after the app was closed."""

import os
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from core.common.native_stderr import native_stderr_to, redirect_native_stderr
from core.config.schema import Config
from core.distributed.torchrun_env import find_job
from core.events.commands import Stop
from core.events.journal import replay
from core.queue.announce import announce_run
from core.run.folder import RunFolder
from core.run.state import RunState
from core.session.engine_thread import EXIT_FAILED, EXIT_FINISHED, EXIT_RESTART, EngineThread
from core.session.resume import Resumption
from tui.runtime.reporters import follow, make_reporter, run_folder_line
from tui.runtime.signal_handlers import STOPPING, StopSignals
from tui.terminal.terminal import redirect_output, show_cursor

_AGENT_SECONDS = 1.0
"""Time between two checks of the elastic agent."""


def run_headless(
    config: Config, runs_dir: Path, log_format: str, resumption: Resumption | None = None
) -> int:
    """Train without the app; returns the exit code."""
    with native_stderr_to(Path(os.devnull)):  # until the run has a folder
        return _run(config, runs_dir, log_format, resumption)


def _run(config: Config, runs_dir: Path, log_format: str, resumption: Resumption | None) -> int:
    engine = EngineThread(
        config,
        runs_dir,
        resumption=resumption,
        on_folder=_prepare_folder,
    )
    is_rank = bool(find_job().id)
    signals = StopSignals(
        lambda reason: engine.send(Stop(reason=reason)),
        show_cursor,
        ignore_second=is_rank,
        announcement=STOPPING.format if not is_rank else lambda reason: "",
    )
    queue = engine.subscribe()
    reporter = make_reporter(log_format, sys.stdout)
    engine.start()
    if is_rank:
        _stop_without_agent(engine)
    result = follow(engine, queue, reporter)
    _report(engine, quiet=log_format == "json")
    if signals.exit_code is None or result.exit_code in (EXIT_FAILED, EXIT_RESTART):
        return result.exit_code
    return signals.exit_code


def _prepare_folder(folder: RunFolder) -> None:
    redirect_native_stderr(folder.log)
    announce_run(folder.id)


def finish_headless(engine: EngineThread, signals: StopSignals, hung_up: bool = False) -> int:
    """Continue without the app until the run ends; returns the exit code.

    After `hung_up` there is no terminal: the output goes to the run's log.
    """
    state, queue = RunState(), engine.subscribe()
    with ExitStack() as opened:
        if engine.alive:
            if engine.folder is not None:
                with suppress(OSError):  # the folder is away: the run waits for it
                    for record in replay(engine.folder.journal)[0]:
                        state.apply(record)
                if hung_up:
                    redirect_output(engine.folder.log)
                else:
                    opened.enter_context(native_stderr_to(engine.folder.log))
            follow(engine, queue, make_reporter("plain" if hung_up else "auto", sys.stdout), state)
        _report(engine, quiet=False)
    code = engine.result.exit_code if engine.result else EXIT_FINISHED
    return code if signals.exit_code is None or code == EXIT_FAILED else signals.exit_code


def _stop_without_agent(engine: EngineThread) -> None:
    """Stop the run when the elastic agent, the parent process, has exited without its ranks."""
    agent = os.getppid()

    def watch() -> None:
        while os.getppid() == agent:
            time.sleep(_AGENT_SECONDS)
        engine.send(Stop(reason="torchrun has exited"))

    threading.Thread(target=watch, name="agent-watch", daemon=True).start()


def _report(engine: EngineThread, quiet: bool) -> None:
    result = engine.result
    if result is None:
        return
    if result.outcome == "failed":
        log = f"\nsee {engine.folder.log}" if engine.folder else ""
        text = f"error: {result.reason}"
        if result.exit_code == EXIT_RESTART:
            text = f"warning: {result.reason}; restarting all ranks"
        print(f"{text}{log}", file=sys.stderr)
    if engine.folder is not None and not quiet:
        try:
            print(run_folder_line(engine.folder), flush=True)
        except (OSError, ValueError):
            return  # the reader of the output has exited
