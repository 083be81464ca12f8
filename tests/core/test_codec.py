import json
import typing
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.common import codec
from core.common.codec import DecodeError
from core.events import commands
from core.events.commands import Command
from core.events.record import Record
from core.events.types import EVENT_TYPES, CalibrationBin, Confusion, Event, Mistake, Paused, Warned

COMMAND_TYPES: dict[str, type[Command]] = {cls.__name__: cls for cls in typing.get_args(Command)}

# A high surrogate followed by a low one is one character in JSON; single ones are kept.
texts = st.text(
    st.characters(exclude_categories=()).filter(lambda c: not "\ud800" <= c <= "\udbff"),
    max_size=12,
)
odd_texts = texts | st.sampled_from(
    ["", "\ud800", "caf\udce9.jpg", "a\nb\r\x00\x1b[2J", "[red]x[/]", "\u2028\u2029", "nan", "🦓"]
)
integers = st.integers(-(2**63), 2**63 - 1)
floats = st.floats()
times = st.floats(-1e12, 1e12)
finite = st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    st.none() | st.booleans() | integers | finite | odd_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_texts, inner, max_size=3),
    max_leaves=6,
)

_STRATEGIES: dict[Any, st.SearchStrategy[Any]] = {
    int: integers,
    float: floats,
    str: odd_texts,
    bool: st.booleans(),
    list[str]: st.lists(odd_texts, max_size=3),
    list[int]: st.lists(integers, max_size=3),
    list[Confusion]: st.lists(st.builds(Confusion, integers, integers, integers), max_size=3),
    list[CalibrationBin]: st.lists(st.builds(CalibrationBin, integers, floats, integers)),
    list[Mistake]: st.lists(st.builds(Mistake, odd_texts, integers, integers, floats)),
    dict[str, int]: st.dictionaries(odd_texts, integers, max_size=3),
    dict[str, Any]: st.dictionaries(odd_texts, plain, max_size=3),
    dict[str, list[float]] | None: st.none()
    | st.dictionaries(odd_texts, st.lists(floats, max_size=2), max_size=3),
    int | None: st.none() | integers,
    float | None: st.none() | floats,
    str | None: st.none() | odd_texts,
}


def instances(cls: type[Any]) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(cls)
    return st.builds(cls, **{f.name: _STRATEGIES[hints[f.name]] for f in fields(cls)})


def strictly_parsed(line: str) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not strict JSON")

    return json.loads(line, parse_constant=refuse)


@pytest.mark.parametrize("cls", EVENT_TYPES.values(), ids=lambda cls: cls.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_every_event_round_trips(cls: type[Event], data: st.DataObject) -> None:
    record = Record(data.draw(st.integers(1, 2**53)), data.draw(times), data.draw(instances(cls)))
    line = record.to_json()
    # repr instead of ==: NaN differs from itself, and 1 equals True.
    assert repr(Record.from_json(line)) == repr(record)
    assert repr(Record.from_json(line.encode())) == repr(record)
    assert line.isascii()
    assert "\n" not in line
    parsed = strictly_parsed(line)
    assert (parsed["seq"], parsed["type"]) == (record.seq, cls.__name__)


@pytest.mark.parametrize("cls", COMMAND_TYPES.values(), ids=lambda cls: cls.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_every_command_round_trips(cls: type[Command], data: st.DataObject) -> None:
    command = data.draw(instances(cls))
    line = codec.encode(command, {})
    item, _ = codec.decode(line, COMMAND_TYPES)
    assert repr(item) == repr(command)
    assert line.isascii()
    assert "\n" not in line
    assert strictly_parsed(line)["type"] == cls.__name__


@pytest.mark.parametrize(
    ("value", "written"), [(float("nan"), "nan"), (float("inf"), "inf"), (float("-inf"), "-inf")]
)
def test_non_finite_number_is_encoded_as_string(value: float, written: str) -> None:
    line = codec.encode(commands.SetLearningRate(lr=value), {})
    assert strictly_parsed(line)["lr"] == written
    config = {"deep": [{"x": value}]}
    line = codec.encode(commands.Stop(), {"envelope": config})
    assert strictly_parsed(line)["envelope"] == {"deep": [{"x": written}]}


def test_commands_have_unique_ids_and_named_arguments() -> None:
    first, second = commands.SetPatience(patience=3), commands.SetPatience(patience=3)
    assert first.id != second.id
    assert first.arguments() == {"patience": 3, "phase": None}


def test_unknown_fields_are_ignored() -> None:
    line = '{"seq": 1, "time": 2, "type": "Paused", "global_step": 3, "mood": "calm"}'
    assert Record.from_json(line) == Record(1, 2.0, Paused(global_step=3))


PAUSED = '"type": "Paused", "global_step": 3}'


@pytest.mark.parametrize(
    "line",
    [
        "",
        "\0\0\0\0",
        "null",
        "3",
        "[]",
        "{}",
        '{"seq": 1, "time": 2, "type": "Paused", "global_st',
        '{"seq": 1, "time": 2, "type": "Paused"}',
        '{"seq": 1, "time": 2, "type": "Paused", "global_step": "many"}',
        '{"seq": 1, "time": 2, "type": "Paused", "global_step": NaN}',
        '{"seq": 1, "time": 2, "type": "Paused", "global_step": 1.5}',
        '{"seq": 1, "time": 2, "type": "Cooked", "global_step": 3}',
        '{"seq": 1, "time": 2, "type": ["Paused"], "global_step": 3}',
        '{"seq": 1, "time": 2, "type": null}',
        '{"seq": 1, "time": 2, "type": "Resumed", "global_step": 1, "seconds": 1' + "0" * 400 + "}",
        '{"seq": 1, "time": 2, "type": "Paused", "global_step": 1' + "0" * 5000 + "}",
        '{"seq": 1, "time": 2, "type": "Paused", "global_step": 1' + "0" * 20 + "}",
        '{"time": 2, ' + PAUSED,
        '{"seq": 0, "time": 2, ' + PAUSED,
        '{"seq": true, "time": 2, ' + PAUSED,
        '{"seq": 1.0, "time": 2, ' + PAUSED,
        '{"seq": "1", "time": 2, ' + PAUSED,
        '{"seq": 1, ' + PAUSED,
        '{"seq": 1, "time": "2", ' + PAUSED,
        '{"seq": 1, "time": false, ' + PAUSED,
        '{"seq": 1, "time": 1e999, ' + PAUSED,
        '{"seq": 1, "time": 1' + "0" * 400 + ", " + PAUSED,
        '{"a":' * 100_000,
        b"\xff\xfe{",
        b'{"seq": 1, "time": 2, "type": "Paused\xff"}',
    ],
    ids=lambda line: repr(line)[:60],
)
def test_malformed_line_is_a_decode_error_with_a_reason(line: str | bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        Record.from_json(line)
    assert len(str(caught.value)) > 5


VALID = Record(7, 8.5, Warned(code="unreadable", message="é", files=["a", "b"])).to_json()


@settings(max_examples=200)
@given(
    line=st.binary(max_size=60)
    | st.text(max_size=60)
    | plain.map(json.dumps)
    | st.builds(
        lambda at, length, new: VALID[:at] + new + VALID[at + length :],
        st.integers(0, len(VALID)),
        st.integers(0, 8),
        st.text(max_size=4),
    )
)
def test_any_line_decodes_or_is_a_decode_error(line: str | bytes) -> None:
    try:
        record = Record.from_json(line)
    except DecodeError:
        return
    strictly_parsed(record.to_json())
