"""One JSON codec for events and commands: strict JSON, one line each, non-finite floats as text."""

import json
import math
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")
_MANY_DIGITS = re.compile(rb"\d{20}")


class DecodeError(ValueError):
    """A line is not a record that this version understands; the message says why."""


def encode(item: object, envelope: Mapping[str, Any]) -> str:
    """Return one line of strict JSON (no line break): envelope, type name, then the fields."""
    payload = {f.name: getattr(item, f.name) for f in fields(item)}  # type: ignore[arg-type]
    whole = {**envelope, "type": type(item).__name__, **payload}
    return json.dumps(to_jsonable(whole), allow_nan=False, separators=(", ", ": "))


def decode(line: str | bytes, types: Mapping[str, type[T]]) -> tuple[T, dict[str, Any]]:
    """Return the item of one line and the whole JSON object, for its envelope.

    Fields that this version does not know are ignored, so that newer journals stay readable.
    Raises DecodeError for anything that is not one of `types` with valid fields.
    """
    data = line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line
    # Only where there may be one: a function of ours for every number would cost the most.
    whole = _counted if _MANY_DIGITS.search(data) else None
    try:
        payload = json.loads(line, parse_constant=_no_constant, parse_int=whole)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"not JSON: {error}") from None
    if not isinstance(payload, dict):
        raise DecodeError(f"expected a JSON object, got {type(payload).__name__}")
    cls: Any = types.get(str(payload.get("type")))
    if cls is None:
        raise DecodeError(f"unknown type {str(payload.get('type'))[:80]!r}")
    return _checker(cls)(payload), payload


@cache
def _checker(cls: type[T]) -> Callable[[dict[str, Any]], T]:
    """Return what makes an item of a JSON object's fields, or raises DecodeError."""
    # Not with the module: it takes longer to import than a first frame to draw, and whoever only
    # writes or looks at an empty list never needs it.
    from pydantic import TypeAdapter, ValidationError

    adapter = TypeAdapter(cls)

    def check(payload: dict[str, Any]) -> T:
        try:
            return adapter.validate_python(payload)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise DecodeError(f"{cls.__name__}.{where}: {first['msg']}") from None

    return check


def _counted(digits: str) -> int:
    if len(digits) > 19:
        raise ValueError("a whole number that no counter can hold")
    return int(digits)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not strict JSON")


def to_jsonable(value: Any) -> Any:
    """Return a value as strict JSON has it: dataclasses as objects, non-finite floats as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(k): to_jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple | deque):
        return [to_jsonable(v) for v in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_jsonable(getattr(value, f.name)) for f in fields(value)}
    return value
