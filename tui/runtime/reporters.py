"""A run without the app: the same events as a progress bar, plain lines, or JSON."""

import os
import sys
from queue import Empty, SimpleQueue
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from core.common import format as fmt
from core.events import types as ev
from core.events.describe import describe
from core.events.types import Record
from core.run.eta import epoch_eta, phase_eta
from core.run.folder import RunFolder
from core.run.state import RunState
from core.session.engine_thread import EngineThread, Result

LINE_SECONDS = 30.0
_LOOK_SECONDS = 0.25
_STYLES = {"info": "", "good": "green", "warning": "yellow", "error": "bold red"}


class View(Protocol):
    """Something that shows records one by one."""

    def show(self, record: Record, state: RunState) -> None:
        """Show a record; `state` has it already."""

    def close(self) -> None:
        """The run is over."""


class JsonReporter:
    """Every event as its journal line, and nothing else."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, record: Record, state: RunState) -> None:
        """Write one line."""
        self._out.write(record.to_json() + "\n")
        self._out.flush()

    def close(self) -> None:
        """Nothing is open."""


class PlainReporter:
    """Lines for a log file: what happened, and where the run is at most every 30 seconds."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._last: float | None = None

    def show(self, record: Record, state: RunState) -> None:
        """Write the line that the record calls for, if any."""
        line = describe(record.event)
        if line:
            level = "" if line.level in ("info", "good") else f"{line.level}: "
            self._write(record.time, level + line.text)
        elif isinstance(record.event, ev.Progress | ev.Preparing):
            self._tell_at_most(record, state)

    def close(self) -> None:
        """Nothing is open."""

    def _tell_at_most(self, record: Record, state: RunState) -> None:
        if self._last is None:
            self._last = record.time
        # A clock set back counts as time gone by: a line too many is better than silence.
        if 0 <= record.time - self._last < LINE_SECONDS:
            return
        self._last = record.time
        self._write(record.time, progress_line(record.event, state))

    def _write(self, time: float, text: str) -> None:
        self._out.write(f"{fmt.clock_time(time)}  {text}\n")
        self._out.flush()


class RichReporter:
    """Bars for phase and epoch at the bottom, lines above them."""

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
        self._bars.start()

    def show(self, record: Record, state: RunState) -> None:
        """Move the bars, and print a line where there is something to say."""
        line = describe(record.event)
        if line:
            when = Text(f"{fmt.clock_time(record.time)}  ", style="dim")
            self._bars.console.print(when + Text(line.text, style=_STYLES[line.level]))
        self._move(record.event, state)

    def close(self) -> None:
        """Take the bars away."""
        self._bars.stop()

    def _move(self, event: ev.Event, state: RunState) -> None:
        if isinstance(event, ev.Preparing):
            self._epoch = self._set(self._epoch, event.stage, event.done, event.total, "")
        elif isinstance(event, ev.PhaseStarted | ev.EpochEnded):
            phase = state.phase_state(event.phase)
            done, most = len(phase.epochs), phase.max_epochs
            eta = phase_eta(state)
            note = f"{done} of at most {most} epochs" + (f"  {_left(eta)}" if eta else "")
            self._phase = self._set(self._phase, f"phase {event.phase}", done, most, note)
        elif isinstance(event, ev.Progress):
            text = f"epoch {event.epoch} {event.stage}"
            eta = epoch_eta(state)
            note = f"{_figures(event)}  {_left(eta)}" if eta is not None else _figures(event)
            self._epoch = self._set(self._epoch, text, event.step, event.steps, note)

    def _set(self, task: TaskID | None, text: str, done: int, total: int, note: str) -> TaskID:
        if task is None:
            task = self._bars.add_task(text, note=note)
        self._bars.update(task, description=text, completed=done, total=total or None, note=note)
        return task


def make_reporter(log_format: str, out: TextIO) -> View:
    """Return the view for `auto`, `rich`, `plain` or `json`; auto is rich on a terminal."""
    if log_format == "auto":
        log_format = "rich" if out.isatty() else "plain"
    views: dict[str, type[RichReporter] | type[PlainReporter] | type[JsonReporter]]
    views = {"rich": RichReporter, "plain": PlainReporter, "json": JsonReporter}
    return views[log_format](out)


def follow(
    engine: EngineThread, queue: "SimpleQueue[Record]", view: View, state: RunState | None = None
) -> Result:
    """Show a run until its engine's thread is done; returns how it ended.

    An output that goes away (a closed pipe or terminal) ends the showing, never the run.
    """
    state = state or RunState()
    showing, heard = True, 0
    while True:
        try:
            record = queue.get(timeout=_LOOK_SECONDS)
        except Empty:
            if engine.alive:
                continue
            break
        if record.seq <= state.seq:
            continue
        state.apply(record)
        old = (heard := heard + 1) <= engine.replayed
        showing = showing and (old or _show(view, record, state))
    if showing:
        view.close()
    result = engine.join()
    assert result is not None, "the engine's thread ended without a result"
    return result


def run_folder_line(folder: RunFolder) -> str:
    """Return the last line of a run: where its files are."""
    best = folder.checkpoints / "best.pt"
    return f"run folder: {folder.path}" + (f"; best weights: {best}" if best.exists() else "")


def progress_line(event: ev.Event, state: RunState) -> str:
    """Return where a run stands, as one line."""
    if isinstance(event, ev.Preparing):
        counted = f" {fmt.count(event.done)} of {fmt.count(event.total)}" if event.total else ""
        return f"{event.stage}{counted}"
    assert isinstance(event, ev.Progress)
    phase = state.phase_state(event.phase)
    eta = epoch_eta(state)
    return (
        f"{event.phase} epoch {event.epoch} of at most {phase.max_epochs}, {event.stage} step "
        f"{fmt.count(event.step)} of {fmt.count(event.steps)}: {_figures(event)}"
        + (f", {_left(eta)}" if eta is not None else "")
    )


def silence(stream: TextIO) -> None:
    """Point a stream whose other end is gone at nothing, so that the exit's flush can't fail."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)


def _show(view: View, record: Record, state: RunState) -> bool:
    try:
        view.show(record, state)
    except (OSError, ValueError):  # ValueError: the stream was closed
        silence(sys.stdout)
        return False
    return True


def _figures(event: ev.Progress) -> str:
    return (
        f"loss {fmt.loss(event.loss)}, top-1 {fmt.percent(event.top1)}, "
        f"{fmt.speed(event.images_per_second)}"
    )


def _left(seconds: float) -> str:
    return f"{fmt.duration(seconds)} left"
