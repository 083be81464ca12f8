"""Ranges of swept config keys: parse them, write them, list their values."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.common import strict_yaml
from core.common.errors import SetupError
from core.common.nested import yaml_text
from core.common.text import printable, quoted

Number = int | float
Value = str | int | float | bool | None

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*\.\.\s*({_NUMBER})\s*(?::\s*(\S+))?\s*")
_FORMS = "LOW..HIGH, LOW..HIGH:log, LOW..HIGH:STEP or [A, B]"
_LOG = "log"


@dataclass(frozen=True, slots=True)
class SweptKey:
    """A swept config key with its values: a list, or all numbers between two ends."""

    key: str
    low: Number = 0
    high: Number = 0
    """Included, and a whole number of steps above `low`."""
    step: Number | None = None
    is_log: bool = False
    choices: tuple[Value, ...] = ()
    """The listed values; empty for a range of numbers."""

    @property
    def is_categorical(self) -> bool:
        """Whether the values are listed."""
        return bool(self.choices)

    @property
    def is_int(self) -> bool:
        """Whether the values are whole numbers between two ends."""
        return not self.choices and isinstance(self.low, int)

    @property
    def ends(self) -> tuple[Value, ...]:
        """The values that the schema must accept: the two ends, or all that are listed."""
        return self.choices or (self.low, self.high)

    @property
    def count(self) -> int | None:
        """The number of values; None for a continuous range."""
        if self.choices:
            return len(self.choices)
        step = self.step or (1 if self.is_int else None)
        return None if step is None else _steps(self.low, self.high, step) + 1

    @property
    def grid(self) -> Sequence[Value] | None:
        """All values in order; None for a continuous or logarithmic range."""
        if self.choices:
            return self.choices
        step = self.step or (1 if self.is_int else None)
        if step is None or self.is_log:
            return None
        values = (_decimal(self.low) + n * _decimal(step) for n in range(self.count or 0))
        return [int(value) if self.is_int else float(value) for value in values]

    @property
    def text(self) -> str:
        """The range as it is written after `KEY=`."""
        if self.choices:
            return json.dumps(list(self.choices), ensure_ascii=False)
        suffix = f":{_LOG}" if self.is_log else f":{self.step!r}" if self.step is not None else ""
        return f"{self.low!r}..{self.high!r}{suffix}"


def parse_range(key: str, given: object) -> SweptKey:
    """Return the range of a key from text such as `1e-5..1e-3:log`, or from a list of values.

    Raises SetupError.
    """
    content = given
    if isinstance(given, str):
        if match := _RANGE.fullmatch(given):
            return _numeric(key, given, match)
        try:
            content = strict_yaml.load(given)
        except strict_yaml.InvalidYaml:
            content = None
    if not isinstance(content, list | tuple):
        shown = quoted(given) if isinstance(given, str) else printable(yaml_text(given))
        raise SetupError(f"--sweep {printable(key)}: {shown} is not a range; expected {_FORMS}")
    return SweptKey(key, choices=_choices(key, content))


def _choices(key: str, values: Sequence[Any]) -> tuple[Value, ...]:
    for value in values:
        if value is not None and not isinstance(value, str | int | float | bool):
            raise SetupError(
                f"--sweep {key}: the list contains {printable(yaml_text(value))}, which is not a "
                "single value"
            )
    texts = [yaml_text(value) for value in values]
    repeated = next((text for text in texts if texts.count(text) > 1), None)
    if repeated is not None:
        raise SetupError(f"--sweep {key}: the list contains {printable(repeated)} twice")
    if len(values) < 2:
        raise SetupError(
            f"--sweep {key}: the list has {'one value' if values else 'no value'}; expected at "
            "least two, separated by commas"
        )
    return tuple(values)


def _numeric(key: str, text: str, match: re.Match[str]) -> SweptKey:
    low, high = _number(match[1]), _number(match[2])
    suffix = match[3]
    if not (math.isfinite(low) and math.isfinite(high)):
        raise SetupError(f"--sweep {key}: {quoted(text)} is not finite")
    if suffix in (None, _LOG) and not (isinstance(low, int) and isinstance(high, int)):
        low, high = float(low), float(high)
    if low >= high:
        raise SetupError(f"--sweep {key}: {quoted(text)} is empty; the first number must be lower")
    if suffix == _LOG:
        if low <= 0:
            raise SetupError(f"--sweep {key}: {quoted(text)} is logarithmic and must be above 0")
        return SweptKey(key, low, high, is_log=True)
    if suffix is None:
        return SweptKey(key, low, high)
    return _stepped(key, text, low, high, suffix)


def _stepped(key: str, text: str, low: Number, high: Number, suffix: str) -> SweptKey:
    step = _number(suffix) if re.fullmatch(_NUMBER, suffix) else None
    if step is None or not 0 < step < math.inf:
        raise SetupError(
            f"--sweep {key}: {quoted(text)} ends with {quoted(suffix)}; expected a step above 0, "
            "or log"
        )
    if not all(isinstance(number, int) for number in (low, high, step)):
        low, high, step = float(low), float(high), float(step)
    steps = _steps(low, high, step)
    if steps < 1:
        raise SetupError(f"--sweep {key}: the step of {quoted(text)} is larger than its range")
    last = _decimal(low) + steps * _decimal(step)
    return SweptKey(key, low, int(last) if isinstance(low, int) else float(last), step)


def as_float(swept: SweptKey) -> SweptKey:
    """Return a range of numbers as one of floats."""
    step = None if swept.step is None else float(swept.step)
    return SweptKey(swept.key, float(swept.low), float(swept.high), step, swept.is_log)


def _number(text: str) -> Number:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _decimal(number: Number) -> Decimal:
    return Decimal(str(number))


def _steps(low: Number, high: Number, step: Number) -> int:
    return int((_decimal(high) - _decimal(low)) // _decimal(step))
