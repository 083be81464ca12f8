"""Send a command to all running members of a study, and end its workers."""

import time
from pathlib import Path

from core.common.errors import SetupError
from core.common.text import printable
from core.events.command_file import append_command
from core.events.commands import Stop
from core.run.folder import RunFolder
from core.run.run_list import RunList
from core.run.state import ACTIVE
from core.study.definition import Study, load_study
from core.study.locks import is_worked_on
from core.study.members import study_runs
from tui.runtime.remote_control import (
    APPLIED,
    NO_REPLY,
    REPLY_SECONDS,
    make_command,
    send_command,
    start_detached,
)

STUDY_ACTIONS = ("pause", "resume", "stop")
_STOP = "stop"
_POLL_SECONDS = 0.2


class StudyProcesses:
    """Commands of the app to the processes of a study; `tui.widgets.host.StudyControl`."""

    def send(self, path: Path, action: str) -> tuple[bool, str]:
        """Send a command to all running members; returns whether it was applied, and the replies.

        Raises SetupError and OSError.
        """
        code, message = send_to_study(load_study(path), action, None, wait=False)
        return code == APPLIED, message

    def resume(self, path: Path) -> tuple[bool, str]:
        """Run the members that are not finished, in the background; returns whether they run."""
        arguments = ["--resume", path.name, "--runs-dir", str(path.parent)]
        code, message, _ = start_detached(arguments, path.parent)
        return code == APPLIED, message


def send_to_study(study: Study, action: str, value: str | None, wait: bool) -> tuple[int, str]:
    """Send a command to all running members of a study; returns the exit code and the replies.

    `stop` also keeps the workers of the study from starting another member, and waits for their
    end. Waits as `send_command` does. Raises SetupError for a command that is not for studies, and
    OSError when a folder can't be written.
    """
    if action not in STUDY_ACTIONS:
        raise SetupError(
            f"{action} is for a run; a study takes {', '.join(STUDY_ACTIONS[:-1])} and {_STOP}"
        )
    make_command(action, value)  # refuses a value
    runs = RunList(study.runs_dir)
    if not is_worked_on(study) and not _running(study, runs):
        return NO_REPLY, f"study {printable(study.id)} is not in progress: no process runs it"
    if action == _STOP:
        append_command(study.commands, Stop())
    deadline = time.monotonic() + REPLY_SECONDS
    replies: dict[str, tuple[int, str]] = {}
    while True:
        # Tested before the runs are listed: a worker that has ended starts no other one.
        is_working = is_worked_on(study)
        running = _running(study, runs)
        for folder in running:
            if folder.id not in replies:
                replies[folder.id] = send_command(folder, make_command(action, None), wait)
        is_stopped = action == _STOP and not is_working and not running
        if is_stopped or (replies and action != _STOP):
            break
        if not wait and time.monotonic() > deadline:
            break
        time.sleep(_POLL_SECONDS)
    return _summary(study, replies, is_stopped)


def _summary(
    study: Study, replies: dict[str, tuple[int, str]], is_stopped: bool
) -> tuple[int, str]:
    """Return the exit code and the text of the replies."""
    lines = [f"run {printable(id)}: {message}" for id, (_, message) in replies.items()]
    if is_stopped:
        return APPLIED, "\n".join([*lines, f"study {printable(study.id)} has stopped"])
    if not replies:
        return NO_REPLY, "no reply yet: the study is between two runs"
    return max(code for code, _ in replies.values()), "\n".join(lines)


def _running(study: Study, runs: RunList) -> list[RunFolder]:
    rows = study_runs(study.id, runs.refresh())
    return [RunFolder(study.runs_dir / row.id) for row in rows if row.status in ACTIVE]
