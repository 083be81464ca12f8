"""Keys of the queue screen: move, remove and open jobs, pause the queue, start and stop workers."""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.screen import Screen

from core.common.detached import run_detached
from core.common.errors import SetupError
from core.common.format import counted
from core.common.text import printable
from core.queue import changes
from core.queue.slots import parse_slots
from core.queue.state import AT_WORK, IN_LINE, Job, QueueState
from core.queue.store import Queue
from tui.dialogs.choice import Choice, ChoiceDialog
from tui.dialogs.text import TextDialog
from tui.text.queue_jobs import job_text
from tui.viewmodel import queue_changes as edits
from tui.widgets.host import host

START_KEY, PAUSE_KEY = "s", "space"
_CHANGES = {"new", "move", "remove", "clear", "pause", "resume", "start", "stop"}
"""Actions that a read-only app refuses."""
_SLOTS_HINT = (
    "gpu: one job per GPU of this machine. A number: as many jobs at a time. The worker runs in "
    "the background, independent of this app and terminal."
)


class QueueActionsScreen(Screen[None]):
    """Base class for the queue screen: a list of jobs, of which one is selected."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # The footer drops keys from the end of this list.
        Binding(START_KEY, "start", "Start worker",
                tooltip="Start a worker in the background, which runs the jobs"),
        Binding("shift+up,K", "move('up')", "Move up", key_display="K",
                tooltip="Start the job before the one above it"),
        Binding("shift+down,J", "move('down')", "Move down", key_display="J",
                tooltip="Start the job after the one below it"),
        Binding("t", "move('first')", "Move to top", show=False, tooltip="Start the job next"),
        Binding("b", "move('last')", "Move to bottom", show=False,
                tooltip="Start the job after all others"),
        Binding("d,delete", "remove", "Remove", key_display="d",
                tooltip="Remove the job from the queue, or stop its run"),
        Binding(PAUSE_KEY, "pause", "Pause", tooltip="Start no more jobs; running ones continue"),
        Binding(PAUSE_KEY, "resume", "Resume", tooltip="Start jobs again"),
        Binding("x", "stop", "Stop workers",
                tooltip="Stop all workers; running jobs save a checkpoint and wait"),
        Binding("n", "new", "New run", show=False,
                tooltip="Open the form for a new run, which can be added to the queue"),
        Binding("l", "log", "Log", tooltip="Show the output of the job"),
        Binding("w", "worker_log", "Worker log", show=False,
                tooltip="Show the output of the worker on this machine"),
        Binding("c", "clear", "Remove ended", show=False,
                tooltip="Remove all jobs that have ended"),
    ]  # fmt: skip

    def __init__(self, runs_dir: Path) -> None:
        super().__init__()
        self.queue = Queue(runs_dir)
        self.state = QueueState()
        self._write_lock = asyncio.Lock()
        self.busy = ""
        """What a separate process does for this screen now."""

    def selected_job(self) -> Job | None:
        """Return the selected job."""
        raise NotImplementedError

    def reload(self) -> None:
        """Read the queue."""
        raise NotImplementedError

    def show_workers(self) -> None:
        """Show the workers, and what is being done."""
        raise NotImplementedError

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action applies now: the queue is either paused or resumed."""
        if action in ("pause", "resume"):
            return self.state.paused == (action == "resume")
        return True

    def hides_key(self, action: str) -> bool:
        """Return whether the footer leaves out a key: it would only show why it has no effect."""
        name = action.partition("(")[0]
        if name in _CHANGES and host(self).read_only_reason:
            return True
        job = self.selected_job()
        if name == "move":
            return job is None or job.state not in IN_LINE
        if name in ("remove", "log"):
            return job is None
        if name == "open":
            return job is None or not job.run
        if name == "start":
            return any(worker.host == socket.gethostname() for worker in self.state.workers)
        if name == "stop":
            return not (self.state.workers or self._count_running())
        return False

    def _count_running(self) -> int:
        return sum(job.state in AT_WORK for job in self.state.jobs)

    def _warn(self, text: str) -> None:
        self.notify(text, severity="warning", markup=False)

    def action_new(self) -> None:
        """Open the form for a new run."""
        host(self).open_form()

    def action_move(self, place: str) -> None:
        """Move the selected job."""
        job = self.selected_job()
        if job is None or host(self).refuse_change():
            return
        if job.state in IN_LINE:
            self._change(partial(edits.move, self.queue, job.number, place))
        else:
            self._warn(f"job {job.number} is {job.state}: only a waiting job can be moved")

    def action_pause(self) -> None:
        """Start no more jobs."""
        self._set_paused(True)

    def action_resume(self) -> None:
        """Start jobs again."""
        self._set_paused(False)

    def _set_paused(self, paused: bool) -> None:
        if not host(self).refuse_change():
            self._change(partial(edits.pause, self.queue, paused))

    def action_remove(self) -> None:
        """Ask, then remove the selected job, or stop its run."""
        job = self.selected_job()
        if job is None or host(self).refuse_change():
            return
        if job.state in AT_WORK:
            self._ask_to_stop(job)
            return

        def act(answer: str | None) -> None:
            if answer:
                message = f"Removed job {job.number}"
                self._change(partial(edits.remove, self.queue, [job.number]), message)

        kept = f" Its run {printable(job.run)} stays." if job.run else ""
        question = f"Job {job.number} is removed from the queue: {job_text(job)}.{kept}"
        yes = Choice("enter", "Enter", "Remove the job", "yes")
        self.app.push_screen(ChoiceDialog("Remove this job?", question, [yes], "Cancel"), act)

    def _ask_to_stop(self, job: Job) -> None:
        if not job.run:
            self._warn(f"job {job.number} is {job.state} and has no run yet: x stops the workers")
            return

        def act(answer: str | None) -> None:
            if answer:
                doing = f"stopping run {printable(job.run)} …"
                self._run_command(doing, "ctl", job.run, "stop")

        question = (
            f"Job {job.number} is {job.state}: {job_text(job)}. A running job cannot be removed "
            "from the queue, but its run can be stopped."
        )
        stop = Choice("x", "x", "Save a checkpoint and stop the run; the next job starts", "stop")
        self.app.push_screen(ChoiceDialog("Stop this run?", question, [stop], "Cancel"), act)

    def action_clear(self) -> None:
        """Ask, then remove all jobs that have ended."""
        ended = len(changes.over(self.state))
        if host(self).refuse_change():
            return
        if not ended:
            self._warn("no job has ended")
            return
        count = counted(ended, "job")

        def act(answer: str | None) -> None:
            if answer:
                self._change(partial(edits.remove_ended, self.queue), f"Removed {count}")

        question = f"{count} finished, stopped or failed. Their runs stay, their logs do not."
        yes = Choice("enter", "Enter", f"Remove {count}", "yes")
        self.app.push_screen(ChoiceDialog("Remove ended jobs?", question, [yes], "Cancel"), act)

    def action_start(self) -> None:
        """Ask for the slots, then start a worker in the background."""
        if host(self).refuse_change():
            return
        if self.busy:
            self._warn(self.busy)
            return

        def check(text: str) -> str:
            try:
                parse_slots(text.strip())
            except SetupError as error:
                return str(error).replace("--slots", "the value", 1)
            return ""

        def act(answer: str | None) -> None:
            if answer is not None:
                start = ("queue", "start", "--slots", answer.strip())
                self._run_command("starting a worker …", *start)

        slots = parse_slots(None)
        default = "gpu" if slots[0].startswith("GPU") else str(len(slots))
        dialog = TextDialog("Slots of the worker", default, _SLOTS_HINT, check, "Start worker")
        self.app.push_screen(dialog, act)

    def action_stop(self) -> None:
        """Ask, then stop all workers and their jobs."""
        if host(self).refuse_change():
            return
        running = self._count_running()
        if not self.state.workers and not running:
            self._warn("no worker is running")
            return

        def act(answer: str | None) -> None:
            if answer:
                self._run_command("stopping the workers …", "queue", "stop")

        question = f"{counted(running, 'running job')}. Waiting jobs stay in the queue."
        effect = "Stop all workers; running jobs save a checkpoint, and are resumed by the next"
        stop = Choice("x", "x", effect, "stop")
        self.app.push_screen(ChoiceDialog("Stop the workers?", question, [stop], "Cancel"), act)

    def action_log(self) -> None:
        """Show the output of the selected job."""
        job = self.selected_job()
        if job is not None:
            self._show_log(self.queue.job_log(job.number), f"Job {job.number}: output")

    def action_worker_log(self) -> None:
        """Show the output of the worker on this machine."""
        self._show_log(self.queue.worker_log(socket.gethostname()), "Worker: output")

    def _show_log(self, path: Path, title: str) -> None:
        from tui.screens.job_log import JobLogScreen

        self.app.push_screen(JobLogScreen(path, title))

    @work
    async def _change(self, change: Callable[[], object], message: str = "") -> None:
        """Change the queue in a thread, one change at a time, then read it."""
        async with self._write_lock:
            try:
                # Not in the pool of the event loop: its end would wait for a lock.
                await run_detached(_call, change)
            except SetupError as error:
                self._warn(str(error))
            else:
                if message:
                    self.notify(message, markup=False)
        self.reload()

    @work
    async def _run_command(self, doing: str, *arguments: str) -> None:
        """Run `convnext-tui` in a separate process, and show what it says."""
        if self.busy:
            self._warn(self.busy)
            return
        self.busy = doing
        self.show_workers()
        try:
            message = await edits.run_command(self.queue.runs_dir, *arguments)
        except SetupError as error:
            self._warn(str(error))
        else:
            self.notify(message, markup=False)
        finally:
            self.busy = ""
            self.show_workers()
        self.reload()


def _call(change: Callable[[], object]) -> None:
    change()
