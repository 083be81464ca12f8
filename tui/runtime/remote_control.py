"""Send commands to a run of another process, and start a run in the background."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from core.common.errors import SetupError
from core.common.subprocesses import python_environment
from core.common.text import printable, quoted
from core.events import commands as cmd
from core.events.command_file import append_command
from core.events.journal import JournalOffset, JournalReader
from core.events.types import CommandApplied, CommandRefused
from core.run.folder import RunFolder, run_folders
from core.run.lock import is_locked
from tui.text.own_command import own_command

APPLIED, REFUSED, NO_REPLY = 0, 1, 3
"""Exit codes of `ctl`."""
ACTIONS = ("pause", "resume", "save", "stop", "next-phase", "patience", "lr")
REPLY_SECONDS = 10.0
_POLL_SECONDS = 0.1
_WITHOUT_VALUE: dict[str, Callable[[], cmd.Command]] = {
    "pause": cmd.Pause,
    "resume": cmd.Resume,
    "save": cmd.SaveCheckpoint,
    "stop": cmd.Stop,
    "next-phase": cmd.EndPhase,
}


def make_command(action: str, value: str | None) -> cmd.Command:
    """Return the command of an action; raises SetupError for an invalid value."""
    if action in _WITHOUT_VALUE:
        if value is not None:
            raise SetupError(f"{action} takes no value, but was given {quoted(value)}")
        return _WITHOUT_VALUE[action]()
    try:
        if action == "patience":
            return cmd.SetPatience(patience=int(value or ""))
        return cmd.SetLearningRate(lr=float(value or ""))
    except ValueError:
        expected = "a whole number of epochs" if action == "patience" else "a number"
        given = "nothing" if value is None else quoted(value)
        raise SetupError(f"{action} takes {expected}, but was given {given}") from None


def send_command(folder: RunFolder, command: cmd.Command, wait: bool) -> tuple[int, str]:
    """Send a command to a run and wait for the reply; returns the exit code and the reply as text.

    Waits REPLY_SECONDS at most, with `wait` as long as the run's process lives. Raises OSError
    when the run folder can't be written.
    """
    if not is_locked(folder):
        return NO_REPLY, f"run {printable(folder.id)} is not in progress: no process trains it"
    # The reply follows the command, so reading starts at the journal's current end.
    reader = JournalReader(folder.journal, JournalOffset(offset=folder.journal.stat().st_size))
    append_command(folder.commands, command)
    deadline = time.monotonic() + REPLY_SECONDS
    while True:
        # Checked before reading: a process that exits after its reply has written the reply.
        alive = is_locked(folder)
        for record in reader.read():
            event = record.event
            if isinstance(event, CommandApplied) and event.id == command.id:
                return APPLIED, f"{printable(event.note)}, at step {event.global_step:,}"
            if isinstance(event, CommandRefused) and event.id == command.id:
                return REFUSED, f"refused: {printable(event.reason)}"
        if not alive:
            return NO_REPLY, "no reply: the run's process has ended"
        if not wait and time.monotonic() > deadline:
            return NO_REPLY, "no reply yet: the run is busy and will still read the command"
        time.sleep(_POLL_SECONDS)


def newest_active_run(runs_dir: Path) -> RunFolder:
    """Return the newest run that a process trains; raises SetupError where there is none."""
    for folder in run_folders(runs_dir):
        if is_locked(folder):
            return folder
    raise SetupError(
        f"no run in progress in {printable(str(runs_dir))}; `convnext-tui runs` lists all runs"
    )


def start_detached(arguments: Sequence[str], runs_dir: Path) -> tuple[int, str, str]:
    """Start a headless run or study in a separate session, without a terminal.

    Waits until training starts or fails, so that an error is reported here. Returns the exit code,
    a message, and the id of the run or study that has started, if one has.
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
    # Closed on return: a pipe that nobody reads fills up, and the process would wait for ever.
    with process.stdout:
        return _wait_for_training(process, process.stdout, runs_dir)


def _wait_for_training(
    process: "subprocess.Popen[str]", lines: Iterable[str], runs_dir: Path
) -> tuple[int, str, str]:
    run_id, study, reason = "", "", "the run's process ended before training started"
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue  # output of a library in a rank
        if event["type"] in ("RunStarted", "RunResumed"):
            run_id = event["run_id"]
        if event["type"] == "StudyStarted":
            study = event["study"]
        if event["type"] == "ModelReady" and study:
            show = own_command("show", RunFolder(runs_dir / study))
            return 0, f"study {study} runs in the background; show it: {show}", study
        if event["type"] == "ModelReady":
            attach = own_command("attach", RunFolder(runs_dir / run_id))
            return 0, f"run {run_id} trains in the background; open it: {attach}", run_id
        if event["type"] == "RunEnded":
            reason = event["reason"]
            if not study:
                return process.wait(), f"error: {reason}", ""
        if event["type"] == "StudyEnded" and event["status"] == "finished":
            return process.wait(), f"study {study} is finished", study
        if event["type"] == "StudyEnded" and event["status"] == "running":
            return process.wait(), f"study {study} has no other run to start", study
    return process.wait() or 1, f"error: {reason}", ""
