"""Hypothesis strategies for events and journals with arbitrary values."""

from dataclasses import fields
from typing import Any, get_type_hints

from hypothesis import strategies as st

from core.events.evaluation_parts import CalibrationBin, Confusion, Mistake
from core.events.record import Record
from core.events.types import EVENT_TYPES, Event

words = st.sampled_from(["head", "full", "train", "val", "finished", "stopped", "", "[b]\x1b写"])
labels = st.integers(-2, 9)
_BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    str: words,
    int: st.integers(-5, 10**12),
    float: st.floats() | st.floats(0, 1),
    bool: st.booleans(),
    int | None: st.none() | st.integers(0, 10**12),
    float | None: st.none() | st.floats(),
    list[str]: st.lists(words, max_size=4),
    list[int]: st.lists(st.integers(-5, 10**12), max_size=4),
    list[Confusion]: st.lists(st.builds(Confusion, labels, labels, labels), max_size=4),
    list[CalibrationBin]: st.lists(
        st.builds(CalibrationBin, labels, st.floats() | st.floats(0, 9), labels), max_size=4
    ),
    list[Mistake]: st.lists(st.builds(Mistake, words, labels, labels, st.floats()), max_size=4),
    dict[str, int]: st.dictionaries(words, st.integers(0, 9), max_size=3),
    dict[str, list[float]] | None: st.none()
    | st.dictionaries(words, st.lists(st.floats(), max_size=3), max_size=3),
    dict[str, Any]: st.dictionaries(
        st.sampled_from(["patience", "lr", "phases", "model"]),
        st.integers() | st.floats() | words | st.just({"head": {"epochs": 0}, "full": 3}),
        max_size=3,
    ),
}


def _event(cls: type[Event]) -> st.SearchStrategy[Event]:
    hints = get_type_hints(cls)
    return st.builds(cls, **{f.name: _BY_TYPE[hints[f.name]] for f in fields(cls)})


events: st.SearchStrategy[Event] = st.one_of(*map(_event, EVENT_TYPES.values()))


@st.composite
def journals(draw: st.DrawFn) -> list[Record]:
    times = st.floats(allow_nan=False, allow_infinity=False)
    drawn = draw(st.lists(st.tuples(times, events), max_size=25))
    return [Record(seq, time, event) for seq, (time, event) in enumerate(drawn, start=1)]
