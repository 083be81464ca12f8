"""The command `convnext-tui`: arguments to the app, a headless run, or a subcommand.

Nothing heavy is imported before the arguments are understood: `--help` answers at once.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.common.errors import SetupError
from core.common.version import __version__
from core.distributed.torchrun_env import find_job
from tui.cli.check import check
from tui.cli.evaluate import evaluate
from tui.cli.explain import explain
from tui.cli.export import export
from tui.cli.maintenance import cache, keys, settings
from tui.cli.predict import predict
from tui.cli.runs import compare, runs, trash
from tui.cli.show import export_logs, serve, show
from tui.runtime.launch import count_ranks, run_ranks

if TYPE_CHECKING:
    from core.config.schema import Config
    from core.session.resume import Resumption
    from tui.app import ConvNextApp, Exit, Plan

DEFAULT_RUNS_DIR = "runs"
ACTIONS = ("pause", "resume", "save", "stop", "next-phase", "patience", "lr")
_EXIT_USAGE = 2
_RUN_OPTIONS = ("preset", "data", "demo", "overrides", "name", "device", "seed")


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--config", "preset", metavar="NAME|FILE", help="Preset or YAML file. [default: default]"
)
@click.option("--data", metavar="DIR", help="Folder with one sub folder of pictures a class.")
@click.option("--demo", is_flag=True, help="Train on built-in pictures; nothing to prepare.")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Set any key; repeatable."
)
@click.option("--name", metavar="TEXT", help="What the run is called.")
@click.option(
    "--runs-dir", default=DEFAULT_RUNS_DIR, show_default=True, metavar="DIR", help="Where runs go."
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), help="Where to train.")
@click.option("--seed", type=int, metavar="N", help="Decides split, order and augmentation.")
@click.option("--resume", metavar="RUN", help="Go on with a run: its id, a beginning, or a path.")
@click.option(
    "--accept-data-changes", is_flag=True, help="Resume although pictures came, went or changed."
)
@click.option(
    "--gpus", metavar="N|all", help="Train on several GPUs of this machine, each a process."
)
@click.option("--detach", is_flag=True, help="Start the run without a terminal, and leave it.")
@click.option("--no-ui", is_flag=True, help="Train without the app: for scripts, nohup, Slurm.")
@click.option(
    "--log-format",
    type=click.Choice(["auto", "rich", "plain", "json"]),
    default="auto",
    show_default=True,
    help="Output of --no-ui; json = the events, a line each.",
)
@click.option(
    "--bandwidth",
    type=click.Choice(["auto", "full", "half", "low"]),
    default="auto",
    show_default=True,
    help="How often the app draws; auto = half of it over SSH.",
)
@click.option(
    "--read-only", is_flag=True, help="Only look: the app starts, steers and writes nothing."
)
@click.option("--theme", metavar="NAME", help="Colours of the app; the palette lists them.")
@click.option("--low-bandwidth", is_flag=True, help="The same as --bandwidth low.")
@click.version_option(__version__, prog_name="convnext-tui")
@click.pass_context
def cli(context: click.Context, /, **options: Any) -> None:
    """Train a ConvNeXt on a folder of pictures, live in the terminal.

    Without options the app opens on your past runs. With --data or --demo it starts a run.

    \b
      convnext-tui --demo
      convnext-tui --data photos/
      convnext-tui --no-ui --data photos/ --set data.batch_size=32
      convnext-tui --resume 20261124-1130

    Exit codes: 0 the run ended by itself, 1 it failed, 2 wrong usage, configuration or data,
    130 after Ctrl-C, 143 after SIGTERM.
    """
    if options["read_only"] and context.invoked_subcommand not in (None, "attach", "serve"):
        raise SetupError("--read-only is about the app: leave it out with this subcommand")
    if context.invoked_subcommand is None:
        sys.exit(_run(**options))


@cli.command()
@click.argument("run", required=False)
@click.option("--runs-dir", metavar="DIR", help="Where the runs are.")
@click.pass_context
def attach(context: click.Context, run: str | None, runs_dir: str | None) -> None:
    """Show and steer a run that another process trains; without RUN the newest that is going."""
    from core.run.find import find_run
    from tui.runtime.remote_control import newest_active_run

    folder = _runs_dir(context, runs_dir)
    found = find_run(folder, run) if run else newest_active_run(folder)
    _need_terminal()
    assert context.parent is not None
    options = context.parent.params
    bandwidth = "low" if options["low_bandwidth"] else options["bandwidth"]
    sys.exit(
        _run_app(None, folder, bandwidth, options["theme"], options["read_only"], show=found.path)
    )


@cli.command()
@click.argument("run")
@click.argument("action", type=click.Choice(ACTIONS))
@click.argument("value", required=False)
@click.option("--wait", is_flag=True, help="Wait for the answer as long as the engine lives.")
@click.option("--runs-dir", metavar="DIR", help="Where the runs are.")
@click.pass_context
def ctl(
    context: click.Context,
    run: str,
    action: str,
    value: str | None,
    wait: bool,
    runs_dir: str | None,
) -> None:
    """Steer a run of another process: pause, resume, save, stop, next-phase, patience N, lr X.

    Exit codes: 0 applied, 1 refused, 2 wrong usage, 3 no engine answers in time.
    """
    from core.run.find import find_run
    from tui.runtime.remote_control import control, make_command

    folder = find_run(_runs_dir(context, runs_dir), run)
    try:
        code, words = control(folder, make_command(action, value), wait)
    except OSError as error:
        raise SetupError(f"{folder.path} can't be written: {error.strerror or error}") from None
    click.echo(words)
    sys.exit(code)


for _command in (
    *(runs, show, compare, predict, evaluate, explain, export, export_logs, serve, trash),
    *(check, keys, settings, cache),
):
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; always leaves through SystemExit with one of the documented codes."""
    # Runs, checkpoints and caches are made with the person's umask, but never for all to write.
    os.umask(os.umask(0o077) | 0o002)
    try:
        cli.main(args=arguments, prog_name="convnext-tui")
    except SetupError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(_EXIT_USAGE)


def _runs_dir(context: click.Context, given: str | None) -> Path:
    assert context.parent is not None
    return Path(given or context.parent.params["runs_dir"])


def _need_terminal() -> None:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise SetupError(
            "no terminal to open the app on; list runs with `convnext-tui runs`, "
            "or train with --no-ui and --data DIR"
        )


def _run(
    runs_dir: str,
    detach: bool,
    no_ui: bool,
    log_format: str,
    resume: str | None,
    accept_data_changes: bool,
    bandwidth: str,
    low_bandwidth: bool,
    theme: str | None,
    read_only: bool,
    gpus: str | None,
    **options: Any,
) -> int:
    folder = Path(runs_dir)
    bandwidth = "low" if low_bandwidth else bandwidth
    plan = _plan(folder, resume, accept_data_changes, options)
    if plan is not None and read_only:
        raise SetupError("--read-only starts no run: leave it out, or the options of the run")
    job = find_job()
    if job.id and plan is not None:
        from tui.runtime.rank_main import run_as_rank

        return run_as_rank(job, plan, folder, log_format)
    ranks = count_ranks(gpus, options["device"]) if gpus else 1
    if detach:
        return _detach(plan)
    on_terminal = sys.stdin.isatty() and sys.stderr.isatty()
    if ranks > 1:
        if plan is None:
            raise SetupError("--gpus needs a run to do: give --data DIR, --demo or --resume RUN")
        if no_ui or not on_terminal:
            plan()  # what is wrong with it is told here
            return run_ranks(ranks, sys.argv[1:])
        click.echo(f"starting {ranks} ranks", err=True)
        code, words, run = _start_detached(plan)
        if not run:
            click.echo(words, err=True)
            return code
        code = _run_app(None, folder, bandwidth, theme, read_only, show=folder / run)
        click.echo(words)
        return code
    if plan is not None and (no_ui or not on_terminal):
        from tui.runtime.headless import run_headless

        config, resumption = plan()
        return run_headless(config, folder, log_format, resumption)
    if no_ui:
        raise SetupError("--no-ui needs a run to do: give --data DIR, --demo or --resume RUN")
    _need_terminal()
    return _run_app(plan, folder, bandwidth, theme, read_only)


def _plan(
    runs_dir: Path, resume: str | None, accept_data_changes: bool, options: dict[str, Any]
) -> "Plan | None":
    """Return what works out the run that is asked for, if one is; raises SetupError for options
    that exclude each other."""
    if resume is not None:
        _refuse_beside_resume(options)
        return partial(_resumed, runs_dir, resume, accept_data_changes, options)
    if all(options.get(name) in (None, (), False) for name in _RUN_OPTIONS):
        return None
    if options["demo"] and (options["data"] is not None or options["preset"] is not None):
        raise SetupError("--demo brings its own data and preset: leave out --data and --config")
    return partial(_new, **options)


def _detach(plan: "Plan | None") -> int:
    if plan is None:
        raise SetupError("--detach needs a run to do: give --data DIR, --demo or --resume RUN")
    code, words, _ = _start_detached(plan)
    click.echo(words, err=code != 0)
    return code


def _start_detached(plan: "Plan") -> tuple[int, str, str]:
    from tui.runtime.remote_control import start_detached

    plan()  # what is wrong with it is told here
    return start_detached([text for text in sys.argv[1:] if text != "--detach"])


def _refuse_beside_resume(options: dict[str, Any]) -> None:
    for name in ("data", "demo", "preset", "name", "seed"):
        if options.get(name) not in (None, False):
            option = "--config" if name == "preset" else f"--{name}"
            raise SetupError(f"{option} belongs to a new run: leave it out with --resume")


def _resumed(
    runs_dir: Path, text: str, accept_data_changes: bool, options: dict[str, Any]
) -> "tuple[Config, Resumption]":
    from core.run.find import find_run
    from core.session.resume import plan_resumption

    device = [f"device={options['device']}"] if options.get("device") else []
    folder = find_run(runs_dir, text)
    resumption = plan_resumption(folder, [*options["overrides"], *device], accept_data_changes)
    return resumption.config, resumption


def _new(
    demo: bool,
    data: str | None,
    preset: str | None,
    overrides: Sequence[str],
    name: str | None,
    device: str | None,
    seed: int | None,
) -> "tuple[Config, None]":
    from core.config.load import load_config
    from core.demo.config import demo_config
    from core.session import preflight

    given = {"name": name, "device": device, "seed": seed, "data.root": data}
    values = {key: value for key, value in given.items() if value is not None}
    if demo:
        config = demo_config(overrides, values)
    else:
        config = load_config(preset or "default", overrides, values)
    preflight.check(config)
    return config, None


def _run_app(
    plan: "Plan | None",
    runs_dir: Path,
    bandwidth: str,
    theme: str | None,
    read_only: bool,
    show: Path | None = None,
) -> int:
    from tui import app as ui
    from tui.preferences.preferences import remembered
    from tui.preferences.refresh_rates import rates_for
    from tui.runtime import read_only as read_only_reason
    from tui.runtime.session import Session
    from tui.runtime.signal_handlers import StopSignals
    from tui.terminal.terminal import own_terminal, show_cursor

    session = Session(runs_dir)
    app: ConvNextApp | None = None

    def interrupted(reason: str) -> None:
        session.stop(reason)
        if app is not None and app.is_running:
            app.call_later(app.exit, ui.Exit.STOP)

    def at_once() -> None:
        if session.has_screen:
            terminal.give_back()
        else:
            show_cursor()

    session.has_screen = True
    with own_terminal() as terminal:
        if read_only:
            read_only_reason.forbid_writing(but=terminal.stray)
        habits = remembered(theme, read_only)
        interrupts = StopSignals(interrupted, at_once)
        rates = rates_for(bandwidth)
        ready = partial(_ready, plan) if plan else None
        app = ui.ConvNextApp(
            runs_dir,
            read_only_reason.refuse_to_start if read_only else session.start_run,
            plan=ready,
            show=show,
            rates=rates,
            habits=habits,
            read_only_reason=read_only_reason.REASON if read_only else "",
        )
        left, failed = _closed(app)
        session.screen_closed()
    engine = session.engine
    if failed:
        log = engine.folder.log if engine and engine.folder else terminal.stray
        click.echo(f"the app ended with an error, see {log}", err=True)
    if app.refused and interrupts.exit_code is None:
        raise SetupError(app.refused)
    if engine is None:
        return interrupts.exit_code or 0
    from tui.runtime.headless import finish_headless

    # Whatever ended the app, an error of its own included: the run is not its to end.
    return finish_headless(engine, interrupts, hung_up=left is ui.Exit.HUNG_UP)


def _ready(plan: "Plan") -> "tuple[Config, Resumption | None]":
    """Return what is planned, with everything imported that trains and shows it.

    The app calls this in a thread: its loop would stand still meanwhile.
    """
    planned = plan()
    import core.session.engine_thread  # noqa: F401
    import tui.screens.run  # noqa: F401

    return planned


def _closed(app: "ConvNextApp") -> "tuple[Exit | None, bool]":
    """Run the app; returns how it was left, and whether an error of its own ended it."""
    try:
        left = app.run()
    except Exception:  # Textual catches most of its own; what it doesn't must not end a run
        traceback.print_exc()
        return None, True
    return left, bool(app.return_code)
