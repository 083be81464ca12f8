"""The command `queue`: runs that start one after the other, in background workers."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
from click.core import ParameterSource

from core.common.errors import SetupError
from core.common.format import counted
from core.queue import changes
from core.queue.outcome import change
from core.queue.state import QueueState
from core.queue.store import Queue
from tui.cli.options import require_runs_dir, runs_dir_option
from tui.cli.start_line import parse_start
from tui.text.queue import command_text, queue_text

_NOT_STORED = (
    *("runs_dir", "no_ui", "detach", "log_format"),  # the worker sets them
    *("bandwidth", "low_bandwidth", "theme"),  # of the app
)
_ON_RESUME = ("gpus", "accept_data_changes")
"""Options that a job needs again when its run is resumed."""
_CHANGES = (*_ON_RESUME, "overrides", "device", "data")
"""Those of a job that resumes a run."""


@click.group(invoke_without_command=True)
@click.pass_context
def queue(context: click.Context) -> None:
    """Queue runs that start one after the other.

    \b
      convnext-tui queue add --data photos/ --seed 1
      convnext-tui queue add --data photos/ --seed 2
      convnext-tui queue start
      convnext-tui queue list

    A worker in the background starts one job per slot. It belongs to no terminal. A job that fails
    is marked, and the next one starts; a job that is interrupted is resumed once. Without a
    subcommand the app opens the queue.
    """
    if context.invoked_subcommand is not None:
        return
    from tui.cli.open_app import app_options, has_terminal, open_app

    if not has_terminal():
        click.echo(context.get_help(), err=True)
        context.exit(2)
    context.exit(open_app(app_options(context), show_queue=True))


@queue.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="OPTION...")
@click.pass_context
def add(context: click.Context, options: tuple[str, ...]) -> None:
    """Add a run, with the options of `convnext-tui` that start it, or `sweep SPEC.yaml`.

    They are checked now. The job runs in the current directory.
    """
    from tui.cli.start import check_start
    from tui.cli.start_options import StartOptions

    parsed = parse_start(context.find_root(), options)
    check_start(StartOptions(**parsed.params))
    jobs = Queue(Path(parsed.params["runs_dir"]))
    given = _given(parsed, lambda name: name not in _NOT_STORED)
    # Changes that were requested on resume may not be in a checkpoint yet when it is interrupted.
    is_resumed = parsed.params["resume"] is not None
    kept = _given(parsed, lambda name: name in (_CHANGES if is_resumed else _ON_RESUME))
    folder = str(Path.cwd())
    state = jobs.change(lambda state: changes.add(state, given, folder, time.time(), kept))
    click.echo(f"job {state.jobs[-1].number} added; {queue_text(jobs.without_dead(state))}")


def _given(parsed: click.Context, wanted: Callable[[str], bool]) -> tuple[str, ...]:
    """Return the options of a command line that are `wanted`, by the names of their parameters."""
    arguments: list[str] = []
    for option in parsed.command.params:
        name = option.name or ""
        is_given = parsed.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if is_given and isinstance(option, click.Option) and wanted(name):
            values = parsed.params[name]
            for value in values if option.multiple else [values]:
                arguments += _as_arguments(option, value)
    return tuple(arguments)


def _as_arguments(option: click.Option, value: object) -> list[str]:
    flag = max(option.opts, key=len)
    if option.is_flag:
        return [flag] if value else []
    text = str(value)
    return [f"{flag}={text}"] if text.startswith("-") else [flag, text]


@queue.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@runs_dir_option
def list_jobs(as_json: bool, runs_dir: Path) -> None:
    """List the jobs: ended, running, waiting in order."""
    require_runs_dir(runs_dir)
    state = Queue(runs_dir).read()
    if as_json:
        tree = json.loads(replace(state, jobs=tuple(state.listed())).to_json())
        for row, job in zip(tree["jobs"], state.listed(), strict=True):
            row["command"] = command_text(job)
        click.echo(json.dumps(tree, indent=2))
        return
    from tui.cli.queue_table import print_jobs

    print_jobs(state)


@queue.command()
@click.argument("job", type=int)
@click.argument("place", metavar="up|down|first|last|N")
@runs_dir_option
def move(job: int, place: str, runs_dir: Path) -> None:
    """Move a waiting job; N is its new position, 1 = next."""
    state = change(_existing(runs_dir), lambda state: changes.move(state, job, place))
    line = state.in_line()
    position = line.index(state.job(job)) + 1
    click.echo(f"job {job} is number {position} of {counted(len(line), 'waiting job')}")


@queue.command()
@click.argument("jobs", nargs=-1, type=int, metavar="[JOB]...")
@click.option("--ended", is_flag=True, help="Remove all jobs that have ended.")
@runs_dir_option
def remove(jobs: tuple[int, ...], ended: bool, runs_dir: Path) -> None:
    """Remove jobs from the queue; their runs stay."""
    if not jobs and not ended:
        raise SetupError("give the number of a job, or --ended")
    removed: list[int] = []

    def edit(state: QueueState) -> QueueState:
        removed[:] = [*jobs, *(changes.over(state) if ended else ())]
        return changes.remove(state, removed)

    store = _existing(runs_dir)
    change(store, edit)
    store.remove_files(removed)
    click.echo(f"{counted(len(set(removed)), 'job')} removed")


@queue.command()
@runs_dir_option
def pause(runs_dir: Path) -> None:
    """Start no more jobs; running ones continue."""
    _set_paused(runs_dir, True)


@queue.command()
@runs_dir_option
def resume(runs_dir: Path) -> None:
    """Start jobs again after a pause."""
    _set_paused(runs_dir, False)


def _set_paused(runs_dir: Path, paused: bool) -> None:
    jobs = _existing(runs_dir)
    state = jobs.change(lambda state: changes.pause(state, paused))
    click.echo(queue_text(jobs.without_dead(state)))


@queue.command()
@click.option("--slots", metavar="gpu|N", help="One job per GPU, or N jobs. [default: gpu, else 1]")
@click.option(
    "--executor",
    type=click.Choice(["local", "slurm"]),
    default="local",
    show_default=True,
    help="Where jobs run: on this machine, or on a Slurm cluster.",
)
@click.option(
    "--slurm",
    multiple=True,
    metavar="KEY=VALUE",
    help="Parameter of submitit for Slurm, such as slurm_partition=gpu; repeatable.",
)
@click.option("--until-empty", is_flag=True, help="End the worker when no job is left.")
@click.option("--foreground", is_flag=True, help="Run the worker in this process.")
@runs_dir_option
def start(
    slots: str | None,
    executor: str,
    slurm: tuple[str, ...],
    until_empty: bool,
    foreground: bool,
    runs_dir: Path,
) -> None:
    """Start a worker in the background.

    After a restart of the machine it resumes the jobs that were running.
    """
    from tui.runtime.queue_worker import WorkerOptions, check_worker, run_worker, start_worker

    options = WorkerOptions(slots, executor, slurm, until_empty)
    jobs = Queue(runs_dir)
    if foreground:
        run_worker(jobs, options, click.echo)
        return
    check_worker(jobs, options)
    click.echo(start_worker(jobs, options))


@queue.command()
@runs_dir_option
def stop(runs_dir: Path) -> None:
    """Stop all workers. Running jobs save a checkpoint, and are resumed by the next worker."""
    from tui.runtime.queue_worker import stop_workers

    click.echo(stop_workers(_existing(runs_dir)))


def _existing(runs_dir: Path) -> Queue:
    """Return the queue of a directory; raises SetupError if there is no such directory."""
    require_runs_dir(runs_dir)
    return Queue(runs_dir)
