import math
import time
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest

from core.common import format as fmt


@pytest.fixture
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (fmt.percent, 0.971, "97.10%"),
        (fmt.percent, 1.0, "100.00%"),
        (fmt.percent, 0, "0.00%"),
        (fmt.percent, None, "–"),
        (fmt.percent, math.nan, "–"),
        (fmt.loss, 0.0106, "0.0106"),
        (fmt.loss, 0, "0.0000"),
        (fmt.loss, 0.00012, "1.20e-04"),
        (fmt.loss, 12345.6, "1.23e+04"),
        (fmt.loss, -1.5, "-1.5000"),
        (fmt.loss, math.nan, "nan"),
        (fmt.loss, -math.inf, "-inf"),
        (fmt.loss, None, "–"),
        (fmt.rate, 0.001, "0.001"),
        (fmt.rate, 5e-05, "5e-05"),
        (fmt.rate, 0.000123456, "0.0001235"),
        (fmt.count, 1234567, "1,234,567"),
        (fmt.duration, 0, "0:00"),
        (fmt.duration, 42.9, "0:42"),
        (fmt.duration, 725, "12:05"),
        (fmt.duration, 3723, "1:02:03"),
        (fmt.duration, 86_399, "23:59:59"),
        (fmt.duration, 90_000, "1d 1h"),
        (fmt.duration, 521_146, "6d 0h"),
        (fmt.duration, -1, "0:00"),
        (fmt.duration, None, "–"),
        (fmt.duration, math.inf, "–"),
        (fmt.duration, math.nan, "–"),
        (fmt.size, 0, "0 B"),
        (fmt.size, 999, "999 B"),
        (fmt.size, 1000, "1.00 kB"),
        (fmt.size, 1_234_000_000, "1.23 GB"),
        (fmt.size, 12_345_678, "12.3 MB"),
        (fmt.size, 9_999_999, "10.0 MB"),
        (fmt.size, 999_499, "999 kB"),
        (fmt.size, 999_500, "1.00 MB"),
        (fmt.size, 5e15, "5000 TB"),
        (fmt.size, None, "–"),
        (fmt.speed, 2309.6, "2,310 img/s"),
        (fmt.speed, 99.94, "99.9 img/s"),
        (fmt.speed, 9.995, "10.0 img/s"),
        (fmt.speed, 0.434, "0.43 img/s"),
        (fmt.speed, 0, "0.00 img/s"),
        (fmt.speed, None, "–"),
        (fmt.speed, math.nan, "–"),
        (fmt.parameters, 0, "0"),
        (fmt.parameters, 999, "999"),
        (fmt.parameters, 20_500, "20.5 k"),
        (fmt.parameters, 87_586_452, "87.6 M"),
        (fmt.parameters, 999_949, "999.9 k"),
        (fmt.parameters, 999_950, "1.0 M"),
        (fmt.parameters, 999_999_999, "1.0 G"),
        (fmt.parameters, 1_200_000_000, "1.2 G"),
    ],
)
def test_numbers_are_formatted(
    function: Callable[[float | None], str], value: float | None, text: str
) -> None:
    assert function(value) == text


def test_percent_with_fewer_digits() -> None:
    assert fmt.percent(0.12345, 0) == "12%"


NOW = datetime(2026, 11, 5, 0, 30).timestamp()


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 5, 0, 5), "today 00:05"),
        (datetime(2026, 11, 4, 23, 59), "yesterday 23:59"),
        (datetime(2026, 11, 3, 18, 40), "2026-11-03 18:40"),
        (datetime(2026, 11, 6, 0, 0), "2026-11-06 00:00"),
    ],
)
def test_recent_days_are_named(moment: datetime, text: str) -> None:
    assert fmt.when(moment.timestamp(), NOW) == text


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf, 1e300])
def test_invalid_time_is_shown_as_none(seconds: float) -> None:
    assert fmt.clock_time(seconds) == "–"
    assert fmt.when(seconds, NOW) == "–"
    assert fmt.when(NOW, seconds) == "2026-11-05 00:30"


def test_clock_time_is_local(in_utc: None) -> None:
    assert fmt.clock_time(50_531) == "14:02:11"
