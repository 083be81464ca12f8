"""Text of numbers, times and sizes, so that all views write them the same way."""

import math
from datetime import datetime

NONE = "–"


def percent(fraction: float | None, digits: int = 2) -> str:
    """Return a fraction (0 to 1) as `97.10%`."""
    if fraction is None or math.isnan(fraction):
        return NONE
    return f"{100 * fraction:.{digits}f}%"


def loss(value: float | None) -> str:
    """Return a loss with four decimals or in scientific notation; `nan` and `inf` unchanged."""
    if value is None:
        return NONE
    if not math.isfinite(value):
        return str(value)
    return f"{value:.4f}" if 0.001 <= abs(value) < 1000 or value == 0 else f"{value:.2e}"


def rate(value: float) -> str:
    """Return a learning rate with at most four significant digits: `0.001`, `5e-05`."""
    return f"{value:.4g}"


def count(value: int) -> str:
    """Return an integer with thousands separators."""
    return f"{value:,}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun in the right form: `1 epoch`, `2,000 images`.

    `plural` is for nouns whose plural isn't formed with an `s`.
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float | None) -> str:
    """Return `0:42`, `12:05` or `1:02:03`, and from a day on `6d 0h`."""
    if seconds is None or not math.isfinite(seconds):
        return NONE
    whole = max(0, int(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 24:
        return f"{hours // 24}d {hours % 24}h"
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def size(value: float | None) -> str:
    """Return bytes in decimal units with three significant digits: `1.23 GB`."""
    if value is None:
        return NONE
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(value) < 999.5 or unit == "TB":
            break
        value /= 1000
    digits = 0 if unit == "B" or abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    return f"{value:.{digits}f} {unit}"


def gigabytes(value: float | None) -> str:
    """Return bytes in GB with three significant digits: `0.881 GB`."""
    if value is None or not math.isfinite(value):
        return NONE
    digits = 0 if abs(value) >= 99.95e9 else 1 if abs(value) >= 9.995e9 else 2
    digits += abs(value) < 0.9995e9
    return f"{value / 1e9:,.{digits}f} GB"


def speed(value: float | None) -> str:
    """Return a throughput with three significant digits: `2,310 img/s`, `0.43 img/s`."""
    if value is None or not math.isfinite(value):
        return NONE
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:,.{digits}f} img/s"


def watts(value: float | None) -> str:
    """Return a power in whole watts: `312 W`."""
    if value is None or not math.isfinite(value):
        return NONE
    return f"{value:,.0f} W"


def parameters(value: int) -> str:
    """Return a number of parameters: `87.6 M`, `20.5 k`."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.99995 * unit:  # it would round to 1000.0 of the smaller unit
            return f"{value / unit:.1f} {name}"
    return str(value)


def clock_time(seconds: float) -> str:
    """Return a Unix time as local time: `14:02:11`."""
    return _local(seconds, "%H:%M:%S")


def date(seconds: float) -> str:
    """Return the local date of a Unix time: `2026-11-24`."""
    return _local(seconds, "%Y-%m-%d")


def moment(seconds: float, now: float) -> str:
    """Return a Unix time as `14:02:11` on the day of `now`, else with its day as `when` does."""
    return clock_time(seconds) if _day(seconds) == _day(now) else when(seconds, now)


def when(seconds: float, now: float) -> str:
    """Return a Unix time as `today 13:20`, `yesterday 09:05` or `2026-11-03 18:40`."""
    days = _day(now) - _day(seconds)
    word = {0: "today", 1: "yesterday"}.get(days)
    return f"{word} {_local(seconds, '%H:%M')}" if word else _local(seconds, "%Y-%m-%d %H:%M")


def _local(seconds: float, form: str) -> str:
    try:
        return datetime.fromtimestamp(seconds).strftime(form)
    except (ValueError, OverflowError, OSError):
        return NONE


def _day(seconds: float) -> int:
    try:
        return datetime.fromtimestamp(seconds).toordinal()
    except (ValueError, OverflowError, OSError):
        return 0


def milliseconds(seconds: float) -> str:
    """Return a duration in milliseconds: `8.4 ms`, `150 ms`."""
    value = 1e3 * seconds
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"
