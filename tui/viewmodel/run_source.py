"""Where a view gets a run's records from, and the way back for commands."""

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
from core.events.types import Record
from core.run.folder import RunFolder
from core.run.lock import is_locked
from core.run.snapshot import Snapshot
from core.run.state import RunState
from core.run.summary import effective_status

# Each bound is about a tenth of a second's work: the screen stays alive while it catches up.
_RECORDS_A_READ = 5000
_BYTES_A_READ = 1 << 20


class RunSource(Protocol):
    """One run as a stream of records. Nothing here blocks for longer than a bounded read."""

    def start(self) -> RunState:
        """Return the state that the first record is to be applied to."""

    def read(self) -> Iterable[Record]:
        """Return what is new since the last call, a bounded amount."""

    def keep(self, state: RunState) -> None:
        """Note what all records so far have come to, where that spares work the next time."""

    @property
    def live(self) -> bool:
        """Whether an engine is at work at the other end, so that more may come."""

    @property
    def send(self) -> Send | None:
        """How to ask the engine for something; None for a run that can only be watched."""

    @property
    def read_only_reason(self) -> str:
        """Why `send` is None, for the person; empty otherwise."""

    @property
    def skipped_lines(self) -> int:
        """Lines of the journal that could not be read."""


class Engine(Protocol):
    """What this module needs of `core.session.engine_thread.EngineThread`."""

    def subscribe(self) -> "SimpleQueue[Record]":
        """Return a queue that gets every record from the first one on."""

    def unsubscribe(self, queue: "SimpleQueue[Record]") -> None:
        """Give this queue nothing any more."""

    def send(self, command: Command) -> None:
        """Leave a command for the engine."""

    @property
    def alive(self) -> bool:
        """Whether the engine's thread is still at work."""


class EngineSource:
    """The run that this very process trains."""

    read_only_reason = ""
    skipped_lines = 0

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue = engine.subscribe()

    def start(self) -> RunState:
        """The queue begins with the run."""
        return RunState()

    def read(self) -> Iterator[Record]:
        """Yield what the engine has emitted since the last call."""
        for _ in range(_RECORDS_A_READ):
            try:
                yield self._queue.get_nowait()
            except Empty:
                return

    def keep(self, state: RunState) -> None:
        """The engine writes the journal; nothing else is needed."""

    def close(self) -> None:
        """Nobody reads any more, though the engine may go on."""
        self._engine.unsubscribe(self._queue)

    @property
    def live(self) -> bool:
        """Whether the engine's thread is still at work."""
        return self._engine.alive

    @property
    def send(self) -> Send:
        """Commands go straight to the engine's mailbox."""
        return self._engine.send


class JournalSource:
    """A run on the disk: a past one, or one that another process trains."""

    def __init__(self, path: Path, read_only_reason: str = "") -> None:
        """`read_only_reason` is why this process may not ask for anything, if it may not."""
        self.folder = RunFolder(path)
        self._read_only_reason = read_only_reason
        self._snapshot = Snapshot(self.folder.journal, self.folder.snapshot)
        self._reader, self._state = self._snapshot.open()

    def start(self) -> RunState:
        """What the journal told up to the bookmark in the run's folder."""
        return self._state

    def read(self) -> Iterator[Record]:
        """Yield the journal's new records; raises OSError when it can't be read."""
        return self._reader.read(_BYTES_A_READ)

    def keep(self, state: RunState) -> None:
        """Move the bookmark now and then, in a thread: the disk may be slow."""
        if self._read_only_reason:
            return
        write = self._snapshot.save(self._reader, state)
        if write:
            threading.Thread(target=write, name="bookmark").start()

    @property
    def live(self) -> bool:
        """Whether an engine holds the run's lock."""
        return is_locked(self.folder)

    @property
    def send(self) -> Send | None:
        """Commands go to the engine's process through `commands.jsonl`."""
        if self._read_only_reason or not self._writable:
            return None
        return partial(append_command, self.folder.commands)

    @property
    def _writable(self) -> bool:
        commands = self.folder.commands
        return os.access(commands if commands.exists() else self.folder.path, os.W_OK)

    @property
    def read_only_reason(self) -> str:
        """A run can be steered by whoever may write in its folder."""
        if self._read_only_reason:
            return self._read_only_reason
        if self._writable:
            return ""
        return "you may not write in this run's folder: it can only be watched"

    @property
    def skipped_lines(self) -> int:
        """Lines of the journal that could not be read."""
        return self._reader.skipped.count


@dataclass(frozen=True, slots=True)
class Launched:
    """A run that this process has just started: where its records come from, and its folder."""

    source: RunSource
    path: Path | None = None
    shown: Callable[[], object] = lambda: None
    """To be called when the run is on the screen: its engine lets that be drawn first."""


class RunModel:
    """A run as the screens see it: its folded state, kept up to date by `pump`."""

    def __init__(
        self,
        source: RunSource,
        path: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.source = source
        self.path = path
        self._clock = clock
        self._news_at = clock()
        self.state = source.start()
        self.error = ""
        """Why the journal can't be read any more; empty while all is well."""

    def pump(self) -> bool:
        """Take in what is new; returns whether anything was."""
        before, news = self.state.seq, self.state.activity_seq
        try:
            for record in self.source.read():
                self.state.apply(record)
            self.source.keep(self.state)
            self.error = ""
        except OSError as error:
            self.error = os_error_text(error)
        if self.state.activity_seq != news:
            self._news_at = self._clock()
        return self.state.seq != before

    @property
    def silence(self) -> float:
        """Seconds since this process has last heard of work: by its own clock, as another
        host's may differ."""
        return self._clock() - self._news_at

    @property
    def status(self) -> str:
        """The state's status, or `interrupted` when the engine is gone without a word."""
        return effective_status(self.state, self.source.live)

    @property
    def training(self) -> bool:
        """Whether an engine is at work on this run."""
        return self.source.live and not self.state.over

    @property
    def read_only(self) -> str:
        """Why nothing can be asked of this run; empty where it can be steered."""
        if self.source.send is None:
            return self.source.read_only_reason
        return "" if self.training else "this run is over"

    def send(self, command: Command) -> bool:
        """Ask the engine for something; returns False where the run can only be watched."""
        send = self.source.send
        if send is None or self.state.over or not self.source.live:
            return False
        try:
            send(command)
        except OSError as error:
            self.error = f"the command can't be written: {os_error_text(error)}"
            return False
        return True
