"""Commands to all runs of a study, sent in a thread: a run replies between two of its steps."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import work
from textual.screen import Screen

from core.common.detached import run_detached
from core.common.errors import SetupError, os_error_text
from core.common.text import printable
from tui.widgets.host import host

if TYPE_CHECKING:
    from core.study.study_summary import StudySummary


class StudyControls(Screen[None]):
    """Base class for screens that send commands to studies."""

    def can_resume_study(self, study: "StudySummary") -> bool:
        """Return whether a study is not in progress and has runs that are not finished."""
        if study.study is None or study.problem:
            return False
        return study.row.status not in ("finished", "running", "paused", "preparing")

    def resume_study(self, study: "StudySummary") -> None:
        """Resume the runs of a study in the background, and start those that wait."""
        name = printable(study.row.name)
        if host(self).refuse_change():
            return
        control = host(self).study_control
        if control is None or study.study is None:
            self._say(f"{name} can't be resumed: {study.problem or 'no process can be started'}")
        elif not self.can_resume_study(study):
            self._say(f"{name} is {'finished' if study.row.status == 'finished' else 'running'}")
        else:
            self.notify(f"Starting {name} in the background …", markup=False)
            self._command(control.resume, Path(study.row.path))

    def send_to_study(self, study: "StudySummary", action: str) -> None:
        """Send `pause`, `resume` or `stop` to all running members of a study."""
        control = host(self).study_control
        if host(self).refuse_change() or study.study is None or control is None:
            return
        self._command(control.send, Path(study.row.path), action)

    @work(group="study-control")
    async def _command(self, send: Callable[..., tuple[bool, str]], *arguments: Any) -> None:
        try:
            applied, message = await run_detached(send, *arguments)
        except (SetupError, ValueError) as error:
            applied, message = False, str(error)
        except OSError as error:
            applied, message = False, f"the study can't be written: {os_error_text(error)}"
        if self.is_mounted:
            self._say(message, is_problem=not applied)
            self.study_replied()

    def study_replied(self) -> None:
        """React to the reply to a command."""

    def _say(self, message: str, is_problem: bool = True) -> None:
        severity: Any = "warning" if is_problem else "information"
        self.notify(printable_lines(message), severity=severity, markup=False)


def printable_lines(text: str) -> str:
    """Return a message of several lines, safe to print."""
    return "\n".join(map(printable, text.splitlines()))
