"""Print the events of a headless run: as progress bars, plain lines, or JSON."""

import os
import sys
from queue import SimpleQueue
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from core.analysis.findings.announcer import Announcer
from core.common import format as fmt
from core.events import types as ev
from core.events.describe import describe
from core.events.record import Record
from core.run.eta import epoch_eta, phase_eta
from core.run.folder import RunFolder
from core.run.state import RunState
from core.session.engine_thread import EngineResult, EngineThread

LINE_SECONDS = 30.0
_STYLES = {"info": "", "good": "green", "warning": "yellow", "error": "bold red"}


class Reporter(Protocol):
    """Print a run's records, one by one."""

    def show(self, record: Record, state: RunState) -> None:
        """Print a record; `state` includes it already."""

    def close(self) -> None:
        """Finish the output, after the run has ended."""


class JsonReporter:
    """Print every event as its line in the journal, and nothing else."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, record: Record, state: RunState) -> None:
        """Print one line."""
        self._out.write(record.to_json() + "\n")
        self._out.flush()

    def close(self) -> None:
        """Do nothing: no output is pending."""


class PlainReporter:
    """Print lines for a log file: events, and progress every 30 seconds at most."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._last: float | None = None
        self._announcer = Announcer()

    def show(self, record: Record, state: RunState) -> None:
        """Print the record's line, if it has one."""
        line = describe(record.event)
        if line:
            level = "" if line.level in ("info", "good") else f"{line.level}: "
            self._write(record.time, level + line.text)
        elif isinstance(record.event, ev.Progress | ev.Preparing):
            self._print_progress(record, state)
        for level, text in self._announcer.take(record.event, state):
            self._write(record.time, f"{level}: {text}" if level == "warning" else text)

    def close(self) -> None:
        """Do nothing: no output is pending."""

    def _print_progress(self, record: Record, state: RunState) -> None:
        if self._last is None:
            self._last = record.time
        # After a clock that was set back, a line too many is better than none for hours.
        if 0 <= record.time - self._last < LINE_SECONDS:
            return
        self._last = record.time
        self._write(record.time, progress_line(record.event, state))

    def _write(self, time: float, text: str) -> None:
        self._out.write(f"{fmt.date(time)} {fmt.clock_time(time)}  {text}\n")
        self._out.flush()


class RichReporter:
    """Show progress bars of phase and epoch at the bottom, lines above them."""

    def __init__(self, out: TextIO) -> None:
        self._console = Console(file=out, highlight=False)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=self._console,
            refresh_per_second=4,
            transient=True,
        )
        self._phase: TaskID | None = None
        self._epoch: TaskID | None = None
        self._announcer = Announcer()
        self._bars.start()

    def show(self, record: Record, state: RunState) -> None:
        """Update the bars, and print the record's line, if it has one."""
        line = describe(record.event)
        if line:
            timestamp = Text(f"{fmt.clock_time(record.time)}  ", style="dim")
            self._bars.console.print(timestamp + Text(line.text, style=_STYLES[line.level]))
        for level, text in self._announcer.take(record.event, state):
            timestamp = Text(f"{fmt.clock_time(record.time)}  ", style="dim")
            self._bars.console.print(timestamp + Text(text, style=_STYLES[level]))
        self._update(record.event, state)

    def close(self) -> None:
        """Remove the bars."""
        self._bars.stop()

    def _update(self, event: ev.Event, state: RunState) -> None:
        if isinstance(event, ev.Preparing):
            self._epoch = self._set(self._epoch, event.stage, event.done, event.total, "")
        elif isinstance(event, ev.PhaseStarted | ev.EpochEnded):
            phase = state.phase_state(event.phase)
            done, limit = len(phase.epochs), phase.max_epochs
            eta = phase_eta(state)
            note = f"{done} of at most {fmt.counted(limit, 'epoch')}" + (
                f"  {_left(eta)}" if eta else ""
            )
            self._phase = self._set(self._phase, f"phase {event.phase}", done, limit, note)
        elif isinstance(event, ev.Progress):
            text = f"epoch {event.epoch} {event.stage}"
            eta = epoch_eta(state)
            note = f"{_metrics(event)}  {_left(eta)}" if eta is not None else _metrics(event)
            self._epoch = self._set(self._epoch, text, event.step, event.steps, note)

    def _set(self, task: TaskID | None, text: str, done: int, total: int, note: str) -> TaskID:
        if task is None:
            task = self._bars.add_task(text, note=note)
        self._bars.update(task, description=text, completed=done, total=total or None, note=note)
        return task


def make_reporter(log_format: str, out: TextIO) -> Reporter:
    """Return the reporter for `auto`, `rich`, `plain` or `json`; auto is rich on a terminal."""
    if log_format == "auto":
        log_format = "rich" if out.isatty() else "plain"
    reporters: dict[str, type[RichReporter] | type[PlainReporter] | type[JsonReporter]]
    reporters = {"rich": RichReporter, "plain": PlainReporter, "json": JsonReporter}
    return reporters[log_format](out)


def follow(
    engine: EngineThread,
    queue: "SimpleQueue[Record]",
    reporter: Reporter,
    state: RunState | None = None,
) -> EngineResult:
    """Report a run until its engine thread ends; returns the result.

    An output that fails (a closed pipe or terminal) ends the reporting, never the run.
    """
    state = state or RunState()
    reporting, received = True, 0
    for record in engine.records(queue):
        if record.seq <= state.seq:
            continue
        state.apply(record)
        is_old = (received := received + 1) <= engine.replayed
        reporting = reporting and (is_old or _report(reporter, record, state))
    if reporting:
        reporter.close()
    result = engine.join()
    assert result is not None, "the engine's thread ended without a result"
    return result


def run_folder_line(folder: RunFolder) -> str:
    """Return the last line of a headless run: the location of its files."""
    best = folder.best_checkpoint
    return f"run folder: {folder.path}" + (f"; best weights: {best}" if best.exists() else "")


def progress_line(event: ev.Event, state: RunState) -> str:
    """Return the progress of a run as one line."""
    if isinstance(event, ev.Preparing):
        counted = f" {fmt.count(event.done)} of {fmt.count(event.total)}" if event.total else ""
        return f"{event.stage}{counted}"
    assert isinstance(event, ev.Progress)
    phase = state.phase_state(event.phase)
    eta = epoch_eta(state)
    return (
        f"{event.phase} epoch {event.epoch} of at most {phase.max_epochs}, {event.stage} step "
        f"{fmt.count(event.step)} of {fmt.count(event.steps)}: {_metrics(event)}"
        + (f", {_left(eta)}" if eta is not None else "")
    )


def redirect_to_devnull(stream: TextIO) -> None:
    """Redirect a broken stream to /dev/null, so that flushing it at exit can't fail."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, stream.fileno())
    os.close(devnull)


def _report(reporter: Reporter, record: Record, state: RunState) -> bool:
    try:
        reporter.show(record, state)
    except (OSError, ValueError):  # ValueError: the stream was closed
        redirect_to_devnull(sys.stdout)
        return False
    return True


def _metrics(event: ev.Progress) -> str:
    return (
        f"loss {fmt.loss(event.loss)}, top-1 {fmt.percent(event.top1)}, "
        f"{fmt.speed(event.images_per_second)}"
    )


def _left(seconds: float) -> str:
    return f"{fmt.duration(seconds)} left"
