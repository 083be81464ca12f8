"""Snapshot of the folded run state, so that long event logs are not replayed from the start."""

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from core.common.cache_file import CacheFile
from core.common.text import printable
from core.events.journal import JournalOffset, JournalReader
from core.run.state import LOG_LINES, RunState, new_series
from core.run.state_parts import last_point
from core.run.timeline import Timeline

T = TypeVar("T")

MIN_BYTES = 1 << 20
"""Minimum number of journal bytes that a snapshot must save: some hundredths of a second."""
_CATCHING_UP = 32
_PROBE_BYTES = 4096
_FORM = 5  # raise it when the same journal folds to other values in the same fields


@dataclass(frozen=True, slots=True)
class _Saved:
    offset: JournalOffset
    probe: str
    """Digest of the journal's first bytes and of the last ones before the offset."""
    state: RunState


class Snapshot:
    """A file next to a journal from which reading it can continue.

    `fold(snapshot + rest)` equals `fold(all)`: a snapshot only saves time. One that is missing or
    does not fit the journal is ignored; in a folder without write permission none is saved.
    """

    def __init__(self, journal: Path, file: Path, min_bytes: int = MIN_BYTES) -> None:
        """`min_bytes` is the number of journal bytes that a snapshot must save."""
        self._journal = journal
        self._min_bytes = min_bytes
        self._file = CacheFile(file, _Saved, _FORM)
        self._offset = 0

    def open(self) -> tuple[JournalReader, RunState]:
        """Return a reader of the journal, and the state to apply its next record to."""
        saved = self._file.read()
        if (
            saved is None
            or not _is_plausible(saved)
            or saved.probe != _probe(self._journal, saved.offset)
        ):
            return JournalReader(self._journal), RunState()
        self._offset = saved.offset.offset
        return JournalReader(self._journal, saved.offset), _restored(saved.state)

    def save(self, reader: JournalReader, state: RunState) -> Callable[[], None] | None:
        """Return a job that writes `state`, folded from all that `reader` has read, to the file, or
        None while that would save little.

        The job is short, may run in any thread, and never fails. It writes the state as it is now.
        """
        offset = reader.offset
        # While the reader is catching up, save only now and then, in case it is interrupted.
        min_bytes = self._min_bytes if reader.at_end else _CATCHING_UP * self._min_bytes
        if offset.offset - self._offset < min_bytes:
            return None
        self._offset = offset.offset
        copied = copy_state(state)
        return lambda: self._write(offset, copied)

    def _write(self, offset: JournalOffset, state: RunState) -> None:
        probe = _probe(self._journal, offset)
        if probe:
            self._file.write(_Saved(offset, probe, state))


def _probe(journal: Path, offset: JournalOffset) -> str:
    """Return a digest that identifies the journal; empty if it ends before the offset."""
    length = min(_PROBE_BYTES, offset.offset)
    try:
        with journal.open("rb") as file:
            first = file.read(length)
            file.seek(offset.offset - length)
            last = file.read(length)
    except OSError:
        return ""
    return hashlib.sha256(first + last).hexdigest() if len(last) == length else ""


def copy_state(state: T) -> T:
    """Return a copy of a mutable dataclass that later events do not change.

    Nested mutable dataclasses and containers are copied, immutable values are shared. Elements of
    lists and deques are immutable by convention. Fields marked as `DERIVED` are left empty:
    `_restored` computes them from the others.
    """
    copied: dict[str, Any] = {}
    for field in fields(state):  # type: ignore[arg-type]
        value = getattr(state, field.name)
        copied[field.name] = _empty(value) if "derived" in field.metadata else _copied(value)
    return replace(state, **copied)  # type: ignore[type-var]


def _copied(value: Any) -> Any:
    # Not deeper: the recorded configuration may be nested without end.
    if isinstance(value, dict):
        return {key: copy_state(item) if _is_mutable(item) else item for key, item in value.items()}
    if isinstance(value, list | deque):
        return value.copy()
    return copy_state(value) if _is_mutable(value) else value


def _is_mutable(value: Any) -> bool:
    return is_dataclass(value) and not vars(type(value))["__dataclass_params__"].frozen


def _empty(value: Any) -> Any:
    return [] if isinstance(value, list) else None


def _restored(state: RunState) -> RunState:
    state.log = deque(state.log, LOG_LINES)
    state.replies = deque(state.replies, LOG_LINES)
    state.best = last_point(state.epochs, lambda result: result.best)
    for phase in state.phases.values():
        phase.epochs = [point for point in state.epochs if point.result.phase == phase.name]
        phase.best = last_point(phase.epochs, lambda result: result.phase_best)
        phase.reason = printable(phase.reason)
    return state


def _is_plausible(saved: _Saved) -> bool:
    """Return whether a journal can lead to this state, beyond the types that were validated."""
    state = saved.state
    series, timeline = state.series, state.timeline
    times = (state.started, state.last_time, state.ended, state.paused_since, state.idle, state.gap)
    numbers = [
        *(time for time in times if time is not None),
        *(phase.start_x for phase in state.phases.values()),
        *(number for point in state.epochs for number in (point.x, point.time)),
        *(n for marker in state.markers for n in (marker.x, marker.time, marker.seconds or 0)),
        state.x,
        *(line.time for line in state.log),
        *(bucket.x for buckets in series.values() for bucket in buckets),
        *(number for moment in timeline.moments for number in moment),
    ]
    return (
        0 < saved.offset.offset < 1 << 62
        and all(abs(number) < 1e300 for number in numbers)
        and {key: s.limit for key, s in series.items()}
        == {key: s.limit for key, s in new_series().items()}
        and all(s.width > 0 and len(s) <= s.limit for s in series.values())
        and timeline.limit == Timeline().limit
        and timeline.stride > 0
        and state.evaluations.history.stride > 0
        and len(timeline.moments) <= timeline.limit
    )
