"""A bookmark in a journal: what was folded so far, so that a long one is read only once."""

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from core.common.cache_file import CacheFile
from core.common.text import printable
from core.events.journal import JournalReader, Place
from core.run.state import CURVES, LOG_LINES, RunState
from core.run.state_parts import last_point
from core.run.timeline import Course

WORTH_BYTES = 1 << 20
"""Bytes of a journal that are worth not being read again: some hundredths of a second."""
_CATCHING_UP = 32
_PROBE_BYTES = 4096
_FORM = 2  # to be raised when the same journal folds to other values in the same fields


@dataclass(frozen=True, slots=True)
class _Kept:
    place: Place
    probe: str
    """Digest of the journal's first bytes and its last ones before the place."""
    state: RunState


class Bookmark:
    """Where reading a journal can go on, kept in a file beside it.

    `fold(kept state + rest)` is `fold(all)`, so a bookmark changes nothing but the time that it
    takes. One that is missing or doesn't fit the journal is none; where the folder can't be
    written there is never one.
    """

    def __init__(self, journal: Path, file: Path, worth: int = WORTH_BYTES) -> None:
        """`worth` is how many bytes a bookmark must spare."""
        self._journal = journal
        self._worth = worth
        self._file = CacheFile(file, _Kept, _FORM)
        self._offset = 0

    def open(self) -> tuple[JournalReader, RunState]:
        """Return a reader of the journal and the state that its next record is to be applied to."""
        kept = self._file.read()
        if kept is None or not _could_be(kept) or kept.probe != _probe(self._journal, kept.place):
            return JournalReader(self._journal), RunState()
        self._offset = kept.place.offset
        return JournalReader(self._journal, kept.place), _unpacked(kept.state)

    def keep(self, reader: JournalReader, state: RunState) -> Callable[[], None] | None:
        """Return a job that writes down `state`, folded from all that `reader` has read, or None
        while that would save little.

        The job takes a moment and may run in any thread; it keeps what the state is now. It never
        fails.
        """
        place = reader.place
        # While there is more to come, just now and then: someone may not wait for the end.
        worth = self._worth if reader.at_end else _CATCHING_UP * self._worth
        if place.offset - self._offset < worth:
            return None
        self._offset = place.offset
        packed = _packed(state)
        return lambda: self._write(place, packed)

    def _write(self, place: Place, packed: RunState) -> None:
        probe = _probe(self._journal, place)
        if probe:
            self._file.write(_Kept(place, probe, packed))


def _probe(journal: Path, place: Place) -> str:
    """Return a digest that another journal doesn't have; empty where it ends before the place."""
    length = min(_PROBE_BYTES, place.offset)
    try:
        with journal.open("rb") as file:
            first = file.read(length)
            file.seek(place.offset - length)
            last = file.read(length)
    except OSError:
        return ""
    return hashlib.sha256(first + last).hexdigest() if len(last) == length else ""


def _packed(state: RunState) -> RunState:
    """Return a copy that later events don't change, without what follows from its epochs."""
    return replace(
        state,
        phases={name: replace(p, epochs=[], best=None) for name, p in state.phases.items()},
        epochs=list(state.epochs),
        best=None,
        curves={name: replace(s, buckets=list(s)) for name, s in state.curves.items()},
        course=replace(state.course, moments=list(state.course.moments)),
        marks=list(state.marks),
        samples=dict(state.samples),
        devices=dict(state.devices),
        log=deque(state.log),
        answers=deque(state.answers),
    )


def _unpacked(state: RunState) -> RunState:
    state.log = deque(state.log, LOG_LINES)
    state.answers = deque(state.answers, LOG_LINES)
    state.best = last_point(state.epochs, lambda result: result.best)
    for phase in state.phases.values():
        phase.epochs = [point for point in state.epochs if point.result.phase == phase.name]
        phase.best = last_point(phase.epochs, lambda result: result.phase_best)
        phase.reason = printable(phase.reason)
    return state


def _could_be(kept: _Kept) -> bool:
    """Whether some journal leads to this: what fold and views rely on beyond the types."""
    state = kept.state
    series, course = state.curves, state.course
    times = (state.started, state.last_time, state.ended, state.paused_since, state.idle)
    numbers = [
        *(time for time in times if time is not None),
        *(phase.start_x for phase in state.phases.values()),
        *(number for point in state.epochs for number in (point.x, point.time)),
        *(number for mark in state.marks for number in (mark.x, mark.time)),
        *(line.time for line in state.log),
        *(bucket.x for buckets in series.values() for bucket in buckets),
        *(number for moment in course.moments for number in moment),
    ]
    return (
        0 < kept.place.offset < 1 << 62
        and all(abs(number) < 1e300 for number in numbers)
        and {name: s.limit for name, s in series.items()} == CURVES
        and all(s.width > 0 and len(s) <= s.limit for s in series.values())
        and course.limit == Course().limit
        and course.stride > 0
        and len(course.moments) <= course.limit
    )
