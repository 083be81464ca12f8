"""Sources of a run's records, and the way back for commands."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Protocol

from core.common.errors import os_error_text
from core.events.command_file import append_command
from core.events.commands import Command, Send
from core.events.record import Record
from core.run.folder import RunFolder
from core.run.lock import is_locked
from core.run.snapshot import Snapshot
from core.run.state import RunState
from core.run.summary import effective_status

# Each limit is about a tenth of a second of work: the screen stays responsive while catching up.
_RECORDS_PER_READ = 5000
_BYTES_PER_READ = 1 << 20
_CLOCK_TOLERANCE = 60.0
"""Seconds by which the clocks of two machines may differ unnoticed."""


class RunSource(Protocol):
    """A run as a stream of records. No call blocks for longer than a bounded read."""

    def start(self) -> RunState:
        """Return the state to apply the first record to."""

    def read(self) -> Iterable[Record]:
        """Return the records since the last call, a bounded number."""

    def save(self, state: RunState) -> None:
        """Save the state folded so far, if that saves work the next time."""

    @property
    def live(self) -> bool:
        """Return whether an engine is running, so that more records may come."""

    @property
    def send(self) -> Send | None:
        """Return the function that sends a command; None for a read-only run."""

    @property
    def read_only_reason(self) -> str:
        """Return why `send` is None; empty otherwise."""

    @property
    def skipped_lines(self) -> int:
        """Return the number of unreadable journal lines."""


class Engine(Protocol):
    """The part of `core.session.engine_thread.EngineThread` that this module uses."""

    def subscribe(self) -> "SimpleQueue[Record]":
        """Return a queue that gets every record from the first one."""

    def unsubscribe(self, queue: "SimpleQueue[Record]") -> None:
        """Stop filling this queue."""

    def send(self, command: Command) -> None:
        """Send a command to the engine."""

    @property
    def alive(self) -> bool:
        """Return whether the engine thread is running."""


class EngineSource:
    """The run that this process trains."""

    read_only_reason = ""
    skipped_lines = 0

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue = engine.subscribe()

    def start(self) -> RunState:
        """Return an empty state: the queue starts with the run."""
        return RunState()

    def read(self) -> Iterator[Record]:
        """Yield the records that the engine emitted since the last call."""
        for _ in range(_RECORDS_PER_READ):
            try:
                yield self._queue.get_nowait()
            except Empty:
                return

    def save(self, state: RunState) -> None:
        """Do nothing: the engine writes the journal."""

    def close(self) -> None:
        """Stop reading; the engine may continue."""
        self._engine.unsubscribe(self._queue)

    @property
    def live(self) -> bool:
        """Return whether the engine thread is running."""
        return self._engine.alive

    @property
    def send(self) -> Send:
        """Return the function that puts commands into the engine's command queue."""
        return self._engine.send


class JournalSource:
    """A run on disk: a past one, or one that another process trains."""

    def __init__(self, path: Path, read_only_reason: str = "") -> None:
        """`read_only_reason` is why this process must not send commands, if so."""
        self.folder = RunFolder(path)
        self._read_only_reason = read_only_reason
        self._snapshot = Snapshot(self.folder.journal, self.folder.snapshot)
        self._reader, self._state = self._snapshot.open()

    def start(self) -> RunState:
        """Return the state from the snapshot in the run folder."""
        return self._state

    def read(self) -> Iterator[Record]:
        """Yield the new records of the journal; raises OSError if it cannot be read."""
        return self._reader.read(_BYTES_PER_READ)

    def save(self, state: RunState) -> None:
        """Save a snapshot now and then, in a thread: the disk may be slow."""
        if self._read_only_reason:
            return
        write = self._snapshot.save(self._reader, state)
        if write:
            threading.Thread(target=write, name="snapshot").start()

    @property
    def live(self) -> bool:
        """Return whether an engine holds the lock of the run."""
        return is_locked(self.folder)

    @property
    def send(self) -> Send | None:
        """Return the function that appends commands to `commands.jsonl`."""
        if self._read_only_reason or not self._writable:
            return None
        return partial(append_command, self.folder.commands)

    @property
    def _writable(self) -> bool:
        commands = self.folder.commands
        return os.access(commands if commands.exists() else self.folder.path, os.W_OK)

    @property
    def read_only_reason(self) -> str:
        """Return why the run folder is not writable; empty if it is."""
        if self._read_only_reason:
            return self._read_only_reason
        if self._writable:
            return ""
        return "the run is read-only: you have no write permission in its folder"

    @property
    def skipped_lines(self) -> int:
        """Return the number of unreadable journal lines."""
        return self._reader.skipped.count


@dataclass(frozen=True, slots=True)
class LaunchedRun:
    """A run that this process has just started: the source of its records, and its folder."""

    source: RunSource
    path: Path | None = None
    shown: Callable[[], object] = lambda: None
    """Call it when the run is on the screen: the engine lets the first frame be drawn."""


class RunModel:
    """A run as screens see it: its folded state, kept up to date by `pump`."""

    def __init__(
        self,
        source: RunSource,
        path: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.source = source
        self.path = path
        self._clock = clock
        self._updated_at = clock()
        self._received_at: float | None = None
        """When the last new record arrived, after those that were there at the start."""
        self._pumps = 0
        self.state = source.start()
        self.error = ""
        """Why the journal cannot be read any more; empty if it can."""

    def pump(self) -> bool:
        """Apply new records; return whether there were any."""
        before, activity = self.state.seq, self.state.activity_seq
        try:
            for record in self.source.read():
                self.state.apply(record)
            self.source.save(self.state)
            self.error = ""
        except OSError as error:
            self.error = os_error_text(error)
        if self.state.activity_seq != activity:
            self._updated_at = self._clock()
        if self.state.seq != before and self._pumps:
            self._received_at = self._clock()
        self._pumps += 1
        return self.state.seq != before

    def run_time(self, now: float) -> float:
        """Return the time (Unix s) by the clock of the run's host, which may differ from `now`."""
        last = self.state.last_time
        if last is None or self._received_at is None or not self.source.live:
            return now
        there = last + self._clock() - self._received_at
        return there if abs(there - now) > _CLOCK_TOLERANCE else now

    @property
    def seconds_since_update(self) -> float:
        """Return the seconds since the last activity of the run, by this process's clock, because
        another host's clock may differ."""
        return self._clock() - self._updated_at

    @property
    def status(self) -> str:
        """Return the status, or `interrupted` if the process exited without recording an end."""
        return effective_status(self.state, self.source.live)

    @property
    def training(self) -> bool:
        """Return whether an engine is training this run."""
        return self.source.live and not self.state.over

    @property
    def read_only(self) -> str:
        """Return why commands cannot be sent; empty if they can."""
        if self.source.send is None:
            return self.source.read_only_reason
        return "" if self.training else "this run is over"

    def send(self, command: Command) -> bool:
        """Send a command to the engine; return False for a read-only run."""
        send = self.source.send
        if send is None or self.state.over or not self.source.live:
            return False
        try:
            send(command)
        except OSError as error:
            self.error = f"the command can't be written: {os_error_text(error)}"
            return False
        return True
