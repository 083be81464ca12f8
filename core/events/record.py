"""A line of the journal: an event with its number and time."""

from dataclasses import dataclass

from core.common import codec
from core.common.codec import DecodeError
from core.events.types import EVENT_TYPES, Event


@dataclass(frozen=True, slots=True)
class Record:
    """An event with its number and time; `seq` counts from 1 without gaps."""

    seq: int
    time: float
    event: Event

    def to_json(self) -> str:
        """Return the journal line of this record, without the line break."""
        return codec.encode(self.event, {"seq": self.seq, "time": self.time})

    @staticmethod
    def from_json(line: str | bytes) -> "Record":
        """Parse one line of a journal; raises DecodeError with the reason."""
        event, payload = codec.decode(line, EVENT_TYPES)
        seq, time = payload.get("seq"), payload.get("time")
        if not isinstance(seq, int) or isinstance(seq, bool) or seq < 1:
            raise DecodeError(f"seq is {seq!r}; expected a whole number from 1")
        # The limit excludes infinity and integers that no float can hold.
        if not isinstance(time, int | float) or isinstance(time, bool) or not abs(time) < 1e300:
            raise DecodeError(f"time is {str(time)[:80]!r}; expected Unix seconds")
        return Record(seq, float(time), event)
