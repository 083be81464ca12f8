"""Number and timestamp events and pass them to the journal and to subscribers."""

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from queue import SimpleQueue

from core.events.journal import JournalWriter
from core.events.record import Record
from core.events.types import Event

Emit = Callable[[Event], None]


class Emitter:
    """Number, timestamp, write and distribute events; thread-safe.

    A subscriber costs one append to its queue, whether it reads it or not. A failing journal blocks
    nothing: `error` holds the reason, and missing lines are written with the next one.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.error: OSError | None = None
        self._clock = clock
        self._lock = threading.RLock()
        self._seq = 0
        self._journal: JournalWriter | None = None
        self._before_journal: list[Record] = []
        self._closed = False
        self._listeners: list[SimpleQueue[Record]] = []
        self._callbacks: list[Emit] = []

    def add_callback(self, callback: Emit) -> None:
        """Call `callback` with every event from now on, in the thread that emits it."""
        with self._lock:
            self._callbacks = [*self._callbacks, callback]

    def subscribe(self) -> "SimpleQueue[Record]":
        """Return a queue that gets every record from now on."""
        queue: SimpleQueue[Record] = SimpleQueue()
        with self._lock:
            self._listeners.append(queue)
        return queue

    def unsubscribe(self, queue: "SimpleQueue[Record]") -> None:
        """Stop filling this queue: one that is no longer read would grow for days."""
        with self._lock:
            self._listeners = [other for other in self._listeners if other is not queue]

    def continue_after(self, past: Iterable[Record]) -> None:
        """Give past records to subscribers and continue numbering after them."""
        with self._lock:
            for record in past:
                self._seq = max(self._seq, record.seq)
                for queue in self._listeners:
                    queue.put(record)

    def open_journal(self, journal: JournalWriter) -> None:
        """Write every event to this journal, including those emitted so far."""
        with self._lock:
            self._journal = journal
            for record in self._before_journal:
                self._try(partial(JournalWriter.append, record=record))
            self._before_journal.clear()

    def emit(self, event: Event) -> None:
        """Number and distribute an event; never fails."""
        with self._lock:
            self._seq += 1
            record = Record(self._seq, self._clock(), event)
            for queue in self._listeners:
                queue.put(record)
            if self._journal is not None:
                self._try(partial(JournalWriter.append, record=record))
            elif not self._closed:
                self._before_journal.append(record)
            callbacks = self._callbacks
        for callback in callbacks:
            callback(event)

    def retry(self) -> None:
        """Write what the disk refused before."""
        with self._lock:
            self._try(JournalWriter.flush)

    def _try(self, write: Callable[[JournalWriter], None]) -> None:
        if self._journal is None:
            return
        try:
            write(self._journal)
            self.error = None
        except OSError as error:
            self.error = error

    def close(self) -> None:
        """Close the journal; later events only reach subscribers."""
        with self._lock:
            self._closed = True
            if self._journal is not None:
                self._try(JournalWriter.close)
                self._journal = None
