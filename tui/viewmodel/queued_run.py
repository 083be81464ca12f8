"""Add the run that the new-run form describes to the queue."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from core.common.format import counted
from core.config.load import changed_options
from core.config.schema import Config
from core.queue.store import Queue
from core.run.folder import run_folders
from core.run.lock import is_locked_here
from core.session import preflight
from tui.viewmodel import new_run_form as forms
from tui.viewmodel import queue_changes


def arguments(
    preset: str, typed: Mapping[str, str], demo: bool, base: forms.Base | None, config: Config
) -> tuple[str, ...]:
    """Return the options of `convnext-tui` that start the run, whose configuration is `config`.

    A run that duplicates another one is described in full: the other one may be gone by then.
    """
    if base:
        return tuple(_set(changed_options(config.model_dump())))
    start = ["--demo"] if demo else [] if preset == "default" else ["--config", preset]
    data = typed.get(forms.DATA, "").strip()
    if data and not demo:
        start += ["--data", data] if not data.startswith("-") else [f"--data={data}"]
    return (*start, *_set(forms.overrides(typed)))


def _set(options: list[str]) -> Iterator[str]:
    for option in options:
        yield from ("--set", option)


def add_run(queue: Queue, config: Config, arguments: tuple[str, ...]) -> tuple[int, str]:
    """Add a job; return its number, and a sentence about its position and the workers.

    Blocks. Raises SetupError, with nothing added, if the run could not start.
    """
    preflight.check(config)
    job = queue_changes.add(queue, arguments)
    state = queue.read()
    line = [each.number for each in state.in_line()]
    if job.number not in line:  # a worker has taken it
        return job.number, f"Job {job.number} added; a worker starts it now"
    position = f"number {line.index(job.number) + 1} of {counted(len(line), 'waiting job')}"
    if state.paused:
        start = "; the queue is paused: space resumes it"
    elif state.workers:
        start = ""
    else:
        start = "; no worker is running: s starts one"
    return job.number, f"Job {job.number} added, {position}{start}"


def run_in_training(runs_dir: Path) -> str:
    """Return the id of a run of this directory that a process of this machine trains; empty if
    there is none. Blocks."""
    return next((run.id for run in run_folders(runs_dir) if is_locked_here(run)), "")
