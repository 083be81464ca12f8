"""Values in a run query: numbers, fractions, durations and dates, as users type them."""

import math
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from core.common.errors import UserError

_NUMBER = re.compile(
    r"[-+]?(\d+(?P<decimals>\.\d*)?|(?P<bare>\.\d+))([eE](?P<power>[-+]?\d{1,3}))?"
)
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_CLOCK = re.compile(r"(?:(\d{1,6}):)?(\d{1,2}):(\d{2})")
_ZONE = re.compile(r"(z|[+-]\d\d:?\d\d|\+\d\d)$")
_LENGTHS = {2: timedelta(hours=1), 4: timedelta(minutes=1)}
"""Length of a time by its number of digits; of others, a second."""
_WORDS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class InvalidValue(UserError):
    """A text that is not a valid value; the message says what is expected."""


@dataclass(frozen=True, slots=True)
class ValueRange:
    """A typed value: the interval it covers, and what counts as equal to it."""

    low: float
    high: float
    equal: tuple[float, float]

    def compare(self, sign: str, value: float) -> bool:
        """Return whether `value` is in the relation `sign` to this value."""
        return {
            "<": value < self.low,
            "<=": value <= self.high,
            ">": value > self.high,
            ">=": value >= self.low,
        }.get(sign, self._equals(value))

    def _equals(self, value: float) -> bool:
        if math.isnan(self.low):
            return math.isnan(value)
        return self.equal[0] <= value <= self.equal[1]


def _exact(value: float, tolerance: float = 0.0) -> ValueRange:
    return ValueRange(value, value, (value - tolerance, value + tolerance))


def number(text: str, whole_unit: float = 0.0) -> ValueRange:
    """Parse a number; all values that round to it at the typed digits are equal to it.

    `whole_unit` is the unit of a number without decimals; with 0, 3 equals exactly 3.
    """
    if text.lower() in _WORDS:
        return _exact(_WORDS[text.lower()])
    match = _NUMBER.fullmatch(text)
    if not match:
        raise InvalidValue("takes a number")
    decimals = len((match["decimals"] or match["bare"] or ".")[1:])
    power = int(match["power"] or 0)
    unit = 10.0 ** max(-300, min(300, power - decimals)) if decimals or power else whole_unit
    return _exact(float(text), 0.5 * unit * (1 + 1e-9))


def fraction(text: str) -> ValueRange:
    """Parse a fraction from 0 to 1, or a percentage."""
    expected = "takes a fraction from 0 to 1 or a percentage, such as 0.95 or 95%"
    try:
        percent = text.endswith("%")
        parsed = number(text.removesuffix("%").rstrip(), whole_unit=1.0 if percent else 0.0)
    except InvalidValue:
        raise InvalidValue(expected) from None
    scale = 0.01 if percent else 1.0
    if not (math.isnan(parsed.low) or 0 <= parsed.low * scale <= 1):
        raise InvalidValue(expected)
    low, high = parsed.equal
    return ValueRange(
        parsed.low * scale, parsed.high * scale, (low * scale - 1e-12, high * scale + 1e-12)
    )


def duration(text: str) -> ValueRange:
    """Parse seconds: `90`, `5m`, `1h30m` or `1:30:00`."""
    clock = _CLOCK.fullmatch(text)
    if clock:
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        total = 3600.0 * hours + 60.0 * minutes + seconds
        return ValueRange(total, total, (total - 0.5, total + 0.5))
    parts = _DURATION.findall(text.lower())
    if parts and "".join(amount + unit for amount, unit in parts) == text.lower():
        total = sum(float(amount) * _UNITS[unit] for amount, unit in parts)
        return ValueRange(total, total, (total - 0.5, total + 0.5))
    try:
        return number(text)
    except InvalidValue:
        raise InvalidValue("takes a time, such as 90 (seconds), 5m, 1h30m or 1:30:00") from None


def day(text: str, now: float) -> ValueRange:
    """Parse `today`, `yesterday`, `7d` (days ago), a date, or a date with a time.

    Dates are local unless `Z` or an offset from UTC follows. The range is the whole day, hour,
    minute or second that was typed.
    """
    expected = (
        "takes a day, such as 2026-11-24, 2026-11-24T13:20 (local time, or with Z or +05:00), "
        "today, yesterday or 7d (ago)"
    )
    try:
        begin, length = _begin_and_length(text.lower(), datetime.fromtimestamp(now))
        low, high = begin.timestamp(), (begin + length).timestamp() - 1e-3
    except (ValueError, OverflowError, OSError):
        raise InvalidValue(expected) from None
    return ValueRange(low, high, (low, high))


def _begin_and_length(text: str, now: datetime) -> tuple[datetime, timedelta]:
    today = datetime.combine(now.date(), datetime.min.time())
    ago = {"today": 0, "yesterday": 1}.get(text)
    if ago is None and re.fullmatch(r"\d{1,5}d", text):
        ago = int(text[:-1])
    if ago is not None:
        return today - timedelta(days=ago), timedelta(days=1)
    match = _ZONE.search(text)
    zone = match[0].upper() if match else ""
    day_text, _, clock = text.removesuffix(zone.lower()).partition("t")
    if not clock:
        # Not all of ISO 8601 that datetime parses: a week is no day.
        begin = datetime.combine(date.fromisoformat(day_text), datetime.min.time())
        return datetime.fromisoformat(begin.isoformat() + zone), timedelta(days=1)
    length = _LENGTHS.get(sum(character.isdigit() for character in clock), timedelta(seconds=1))
    return datetime.fromisoformat(f"{day_text}T{clock}{zone}"), length
