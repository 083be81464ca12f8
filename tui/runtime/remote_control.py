"""Steering a run from another process, and starting one that belongs to no terminal."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from core.common.errors import SetupError
from core.common.subprocesses import python_environment
from core.common.text import printable
from core.events import commands as cmd
from core.events.command_file import append_command
from core.events.journal import JournalReader, Place
from core.events.types import CommandApplied, CommandRefused
from core.run.folder import RunFolder, is_locked, run_folders

APPLIED, REFUSED, NO_ANSWER = 0, 1, 3
PATIENT_SECONDS = 10.0
_LOOK_SECONDS = 0.1
_PLAIN: dict[str, Callable[[], cmd.Command]] = {
    "pause": cmd.Pause,
    "resume": cmd.Resume,
    "save": cmd.SaveCheckpoint,
    "stop": cmd.Stop,
    "next-phase": cmd.EndPhase,
}


def make_command(action: str, value: str | None) -> cmd.Command:
    """Return the command that an action names; raises SetupError."""
    if action in _PLAIN:
        if value is not None:
            raise SetupError(f"{action} takes no value, was given {printable(value)!r}")
        return _PLAIN[action]()
    try:
        if action == "patience":
            return cmd.SetPatience(patience=int(value or ""))
        return cmd.SetLearningRate(lr=float(value or ""))
    except ValueError:
        kind = "a whole number of epochs" if action == "patience" else "a number"
        raise SetupError(f"{action} takes {kind}, was given {printable(str(value))!r}") from None


def control(folder: RunFolder, command: cmd.Command, wait: bool) -> tuple[int, str]:
    """Send a command to the engine of a run and wait for its answer.

    Returns the exit code and the answer in words. With `wait` it waits as long as an engine
    lives, otherwise PATIENT_SECONDS. Raises OSError when the run's folder can't be written.
    """
    if not is_locked(folder):
        return NO_ANSWER, f"no engine is at work on {printable(folder.id)}"
    # The answer comes after the command, however long the journal is before it.
    reader = JournalReader(folder.journal, Place(offset=folder.journal.stat().st_size))
    append_command(folder.commands, command)
    deadline = time.monotonic() + PATIENT_SECONDS
    while True:
        # Looked at first: an engine that ends after its answer has given it.
        alive = is_locked(folder)
        for record in reader.read():
            event = record.event
            if isinstance(event, CommandApplied) and event.id == command.id:
                return APPLIED, f"{printable(event.note)}, at step {event.global_step:,}"
            if isinstance(event, CommandRefused) and event.id == command.id:
                return REFUSED, f"refused: {printable(event.reason)}"
        if not alive or (not wait and time.monotonic() > deadline):
            return NO_ANSWER, "no answer: " + (
                "the engine is busy; it will still read the command"
                if alive
                else "the engine ended"
            )
        time.sleep(_LOOK_SECONDS)


def newest_active_run(runs_dir: Path) -> RunFolder:
    """Return the newest run that an engine is at work on; raises SetupError."""
    for folder in run_folders(runs_dir):
        if is_locked(folder):
            return folder
    raise SetupError(
        f"no run is going in {printable(str(runs_dir))}; `convnext-tui runs` lists all"
    )


def start_detached(arguments: Sequence[str]) -> tuple[int, str, str]:
    """Start a headless run in a session of its own; returns the exit code, what to say, and the
    run's id where it has begun.

    Waits until the run has begun or could not: an error is still told here.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "tui", *arguments, "--no-ui", "--log-format", "json"],
        env=python_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    assert process.stdout is not None
    run_id = ""
    for line in process.stdout:
        try:
            event = json.loads(line)
        except ValueError:
            continue  # a rank's library has something to say
        if event["type"] in ("RunStarted", "RunResumed"):
            run_id = event["run_id"]
        if event["type"] == "ModelReady":
            look_in = f"look in with: convnext-tui attach {run_id}"
            return 0, f"run {run_id} trains without this terminal; {look_in}", run_id
        if event["type"] == "RunEnded":
            return process.wait(), f"error: {event['reason']}", ""
    return process.wait() or 1, "error: the run's process ended before it began", ""
