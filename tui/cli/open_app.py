"""Open the app on this terminal, and wait for its run after it was closed."""

import os
import sys
import traceback
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.common.errors import SetupError

if TYPE_CHECKING:
    from core.config.schema import Config
    from core.session.resume import Resumption
    from tui.app import ConvNextApp, Exit
    from tui.widgets.host import Plan

_TERMINALS_WITHOUT_CURSOR = ("", "dumb", "unknown")
"""Values of TERM with which text can only be appended. Rich takes a size of its own for them."""


@dataclass(frozen=True, slots=True)
class AppOptions:
    """The options of the app."""

    runs_dir: Path
    bandwidth: str
    theme: str | None
    read_only: bool


def app_options(context: click.Context, runs_dir: Path | None = None) -> AppOptions:
    """Return the options of the app that were given before a subcommand."""
    group = context.find_root().params
    bandwidth = "low" if group["low_bandwidth"] else group["bandwidth"]
    place = runs_dir or Path(group["runs_dir"])
    return AppOptions(place, bandwidth, group["theme"], group["read_only"])


def has_terminal() -> bool:
    """Return whether the app can be opened."""
    return not _terminal_problem()


def _terminal_problem() -> str:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return "no terminal for the app"
    kind = os.environ.get("TERM", "")
    if kind in _TERMINALS_WITHOUT_CURSOR:
        return f"TERM={kind}: this terminal can't show the app"
    return ""


def require_terminal() -> None:
    """Raise SetupError where the app can't be opened."""
    if problem := _terminal_problem():
        raise SetupError(
            f"{problem}: list runs with `convnext-tui runs`, or train with --no-ui and --data DIR"
        )


def open_app(
    options: AppOptions,
    plan: "Plan | None" = None,
    show: Path | None = None,
    show_queue: bool = False,
) -> int:
    """Run the app until it is closed and its run has ended; returns the exit code.

    `plan` loads a run to start at once, `show` is the folder of a run or study to open first; with
    `show_queue` the queue is opened.
    """
    from tui import app as ui
    from tui.preferences.preferences import load_preferences
    from tui.preferences.refresh_rates import refresh_rates_for
    from tui.runtime import read_only
    from tui.runtime.session import Session
    from tui.runtime.signal_handlers import STOPPING, StopSignals
    from tui.terminal.terminal import exclusive_terminal, show_cursor

    session = Session(options.runs_dir)
    app: ConvNextApp | None = None

    def stop(reason: str) -> None:
        session.stop(reason)
        if app is not None and app.is_running:
            app.call_later(app.exit, ui.Exit.STOP)

    def restore_terminal() -> None:
        if session.has_screen:
            terminal.restore()
        else:
            show_cursor()

    session.has_screen = True
    with exclusive_terminal() as terminal:
        if options.read_only:
            read_only.forbid_writing(allowed=terminal.stray)
        preferences = load_preferences(options.theme, options.read_only)
        signals = StopSignals(
            stop,
            restore_terminal,
            announcement=lambda reason: "" if session.has_screen else STOPPING.format(reason),
        )
        app = ui.ConvNextApp(
            options.runs_dir,
            read_only.refuse_to_start if options.read_only else session.start_run,
            plan=partial(_with_imports, plan) if plan else None,
            show=show,
            show_queue=show_queue,
            rates=refresh_rates_for(options.bandwidth),
            preferences=preferences,
            read_only_reason=read_only.REASON if options.read_only else "",
            study_control=None if options.read_only else BackgroundStudies(),
        )
        exit_value, failed = _run(app)
        trains = session.training
        session.screen_closed()
    engine = session.engine
    if failed:
        log = engine.folder.log if engine and engine.folder else terminal.stray
        continues = "; the run continues without it" if trains else ""
        click.echo(f"error: the app failed, see {log}{continues}", err=True)
    if app.start_error and signals.exit_code is None:
        raise SetupError(app.start_error)
    if engine is None:
        return signals.exit_code or int(failed)
    from tui.runtime.headless import finish_headless

    # Also after the app has failed: training is independent of it.
    code = finish_headless(engine, signals, hung_up=exit_value is ui.Exit.HUNG_UP)
    return code or int(failed and not trains)


class BackgroundStudies:
    """Commands to the processes of studies, imported on first use."""

    def send(self, path: Path, action: str) -> tuple[bool, str]:
        """Send a command to all running members of a study."""
        from tui.runtime.study_control import StudyProcesses

        return StudyProcesses().send(path, action)

    def resume(self, path: Path) -> tuple[bool, str]:
        """Run the members of a study that are not finished, in the background."""
        from tui.runtime.study_control import StudyProcesses

        return StudyProcesses().resume(path)


def _with_imports(plan: "Plan") -> "tuple[Config, Resumption | None]":
    """Return the planned run, with the modules imported that train and show it.

    The app calls this in a thread, so that the imports don't block its event loop.
    """
    planned = plan()
    import core.session.engine_thread  # noqa: F401
    import tui.screens.run  # noqa: F401

    return planned


def _run(app: "ConvNextApp") -> "tuple[Exit | None, bool]":
    """Run the app; returns its exit value and whether it failed."""
    from tui.terminal.job_signals import restored_signals

    try:
        with restored_signals():
            exit_value = app.run()
    except Exception:  # Textual catches most of its own; the rest must not end the run
        traceback.print_exc()
        return None, True
    return exit_value, bool(app.return_code)
