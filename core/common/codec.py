"""JSON Lines codec of events and commands: strict JSON, non-finite floats as strings."""

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
    """A line is not a valid record of a known type; the message is the reason."""


def encode(item: object, envelope: Mapping[str, Any]) -> str:
    """Return one line of strict JSON without a line break: envelope, type name, fields."""
    payload = {f.name: getattr(item, f.name) for f in fields(item)}  # type: ignore[arg-type]
    whole = {**envelope, "type": type(item).__name__, **payload}
    return json.dumps(to_jsonable(whole), allow_nan=False, separators=(", ", ": "))


def decode(line: str | bytes, types: Mapping[str, type[T]]) -> tuple[T, dict[str, Any]]:
    """Return the item of one line, and the complete JSON object with its envelope.

    Unknown fields are ignored, so that journals of newer versions stay readable. Raises DecodeError
    for anything but one of `types` with valid fields.
    """
    data = line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line
    # Only if needed: a Python function call per number would dominate the decoding time.
    parse_int = _parse_int if _MANY_DIGITS.search(data) else None
    try:
        payload = json.loads(line, parse_constant=_refuse_constant, parse_int=parse_int)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"not JSON: {error}") from None
    if not isinstance(payload, dict):
        raise DecodeError(f"expected a JSON object, got {type(payload).__name__}")
    cls: Any = types.get(str(payload.get("type")))
    if cls is None:
        raise DecodeError(f"unknown type {str(payload.get('type'))[:80]!r}")
    return _validator(cls)(payload), payload


@cache
def _validator(cls: type[T]) -> Callable[[dict[str, Any]], T]:
    """Return the function that validates a JSON object as `cls` or raises DecodeError."""
    # Imported here: it takes longer than drawing the first frame, and writing never needs it.
    from pydantic import TypeAdapter, ValidationError

    adapter = TypeAdapter(cls)

    def validate(payload: dict[str, Any]) -> T:
        try:
            return adapter.validate_python(payload)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise DecodeError(f"{cls.__name__}.{where}: {first['msg']}") from None

    return validate


def _parse_int(digits: str) -> int:
    if len(digits) > 19:
        raise ValueError("an integer with more than 19 digits")
    return int(digits)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not strict JSON")


def to_jsonable(value: Any) -> Any:
    """Return a value for strict JSON: dataclasses as dicts, non-finite floats as strings."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(k): to_jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple | deque):
        return [to_jsonable(v) for v in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_jsonable(getattr(value, f.name)) for f in fields(value)}
    return value
