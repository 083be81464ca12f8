"""Parse the command line of `convnext-tui`: start the app, a headless run, or a subcommand.

Only click is imported before the arguments are parsed, so that `--help` answers at once.
"""

import errno
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from core.common.errors import SetupError, os_error_text
from core.common.text import printable
from core.common.version import __version__
from core.config.devices import DEVICES
from tui.cli.commands import LazyGroup, OutputClosed
from tui.cli.options import DEFAULT_RUNS_DIR
from tui.runtime.process_end import MAX_SECONDS, end_within
from tui.runtime.standard_streams import (
    EXIT_BROKEN_PIPE,
    discard_output,
    flush_output,
    open_missing_streams,
)

_EXIT_FINISHED, _EXIT_FAILED, _EXIT_USAGE, _EXIT_INTERRUPTED = 0, 1, 2, 130
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)
_READ_ONLY_COMMANDS = (None, "attach", "serve")


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--config", "preset", metavar="NAME|FILE", help="Preset or YAML file. [default: default]"
)
@click.option(
    "--data",
    metavar="DIR",
    help="Folder of images with one subfolder per class; with --resume, where they have moved.",
)
@click.option("--demo", is_flag=True, help="Train on built-in images; needs no data.")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a config key; repeatable."
)
@click.option("--name", metavar="TEXT", help="Name of the run.")
@click.option(
    "--runs-dir",
    default=DEFAULT_RUNS_DIR,
    show_default=True,
    metavar="DIR",
    help="Directory of the runs.",
)
@click.option("--device", type=click.Choice(DEVICES), help="Device to train on.")
@click.option("--seed", type=int, metavar="N", help="Seed of split, order and augmentation.")
@click.option(
    "--seeds", type=int, metavar="N", help="Study: train with N seeds, one run after the other."
)
@click.option("--vary-split", is_flag=True, help="With --seeds, give each seed its own split, too.")
@click.option(
    "--folds", type=int, metavar="N", help="Study: cross-validation with N folds, a run for each."
)
@click.option(
    "--sweep",
    multiple=True,
    metavar="KEY=RANGE",
    help="Study: search for the best value of a config key, such as phases.head.lr=1e-4..1e-1:log; "
    "repeatable.",
)
@click.option("--trials", type=int, metavar="N", help="With --sweep, number of trials.")
@click.option(
    "--sampler",
    type=click.Choice(["tpe", "random", "grid"]),
    help="With --sweep, how values are chosen. [default: tpe]",
)
@click.option(
    "--pruner",
    type=click.Choice(["none", "median", "halving"]),
    help="With --sweep, stop bad trials early. [default: none]",
)
@click.option(
    "--objective",
    metavar="FIGURE",
    help="With --sweep, what the best trial is best at. [default: val_top1]",
)
@click.option(
    "--resume",
    metavar="RUN",
    help="Resume a run or study: its id, the beginning of its id, or its path.",
)
@click.option(
    "--accept-data-changes",
    is_flag=True,
    help="Resume although images were added, removed or changed.",
)
@click.option(
    "--gpus", metavar="N|all", help="Train on several GPUs of this machine, one process per GPU."
)
@click.option("--detach", is_flag=True, help="Start the run in the background and return.")
@click.option("--no-ui", is_flag=True, help="Train without the app: for scripts, nohup, Slurm.")
@click.option(
    "--log-format",
    type=click.Choice(["auto", "rich", "plain", "json"]),
    default="auto",
    show_default=True,
    help="Output of --no-ui; json prints the events, one per line.",
)
@click.option(
    "--bandwidth",
    type=click.Choice(["auto", "full", "half", "low"]),
    default="auto",
    show_default=True,
    help="Refresh rate of the app; auto is half over SSH, else full.",
)
@click.option(
    "--read-only",
    is_flag=True,
    help="Open the app read-only: it starts, steers and writes nothing.",
)
@click.option(
    "--theme", metavar="NAME", help="Color theme of the app, this time; ctrl+p there lists them."
)
@click.option("--low-bandwidth", is_flag=True, help="Short for --bandwidth low.")
@click.version_option(__version__, prog_name="convnext-tui")
@click.pass_context
def cli(context: click.Context, /, **options: Any) -> None:
    """Train a ConvNeXt image classifier on a folder of images, live in the terminal.

    Without options the app opens the list of runs. With --data or --demo it starts a run.

    \b
      convnext-tui --demo
      convnext-tui --data photos/
      convnext-tui --no-ui --data photos/ --set data.batch_size=32
      convnext-tui --resume 20261124-1130

    Exit codes: 0 finished or stopped, 1 failed, 2 invalid arguments, configuration or data,
    130 after Ctrl-C, 143 after SIGTERM.
    """
    _refuse_several_ranks(context.invoked_subcommand)
    if options["read_only"] and context.invoked_subcommand not in _READ_ONLY_COMMANDS:
        raise SetupError("--read-only applies to the app only: omit it with this subcommand")
    if context.invoked_subcommand is None:
        from tui.cli.start import start
        from tui.cli.start_options import StartOptions

        sys.exit(start(StartOptions(**options)))


def _refuse_several_ranks(subcommand: str | None) -> None:
    """Raise SetupError for a subcommand under torchrun, which starts several of the process.

    The other ranks exit without a message of their own.
    """
    if subcommand is None or "TORCHELASTIC_RUN_ID" not in os.environ:
        return
    from core.distributed.torchrun_env import find_job

    job = find_job()
    if job.size > 1 and not job.is_main:
        sys.exit(_EXIT_USAGE)
    if job.size > 1:
        raise SetupError(
            "torchrun trains one run on several GPUs: call "
            f"`convnext-tui {printable(subcommand)}` without it"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; always raises SystemExit with one of the documented exit codes."""
    # Runs, checkpoints and caches follow the user's umask, but are never writable by others.
    os.umask(os.umask(0o077) | 0o002)
    open_missing_streams()
    code = 1
    try:
        code = _run(arguments)
    finally:
        end_within(MAX_SECONDS, code)
    sys.exit(code)


def _run(arguments: Sequence[str] | None) -> int:
    """Run the command line; returns the exit code."""
    try:
        code = _invoke(arguments)
        flush_output()
    except (BrokenPipeError, OutputClosed):
        discard_output()
        return EXIT_BROKEN_PIPE
    except OSError as error:
        discard_output()
        place = "output: " if error.errno in _DISK_ERRORS else ""
        if error.filename:
            place = f"{printable(str(error.filename))}: "
        click.echo(f"error: {place}{os_error_text(error)}", err=True)
        return _EXIT_FAILED
    return code


def _invoke(arguments: Sequence[str] | None) -> int:
    try:
        code = cli.main(args=arguments, prog_name="convnext-tui", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return _EXIT_INTERRUPTED
    except SetupError as error:
        click.echo(f"error: {error}", err=True)
        return _EXIT_USAGE
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return code if isinstance(code, int) else _EXIT_FINISHED
