"""Query language of the run list: `status:finished top1>0.95 model:atto sort:-top1`.

Plain words must all occur in name, id or tags. `key:value` matches a text field; `=`, `<`, `<=`,
`>`, `>=` compare; a leading `-` negates a term; quotes keep spaces together. Any key other than the
fields of a run is a config key.
"""

import math
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

from core.common.text import printable
from core.run import query_values as values
from core.run.state import ACTIVE, OVER

if TYPE_CHECKING:
    from core.run.summary import RunSummary

Test = Callable[["RunSummary"], bool]
Number = Callable[["RunSummary"], float | None]

_PIECE = re.compile(r"(-?)([A-Za-z_][\w.-]*)(>=|<=|:|=|>|<)(.*)", re.DOTALL)
_TEXTS: dict[str, Callable[["RunSummary"], Sequence[str]]] = {
    "status": lambda run: [run.status],
    "name": lambda run: [run.name],
    "id": lambda run: [run.id],
    "model": lambda run: [run.model],
    "phase": lambda run: [run.phase],
    "tag": lambda run: run.tags,
    "note": lambda run: [run.note],
    "reason": lambda run: [run.reason or run.error],
}
_NUMBERS: dict[str, tuple[Number, Callable[[str], values.Span]]] = {
    "top1": (lambda run: run.best_val_top1, values.share),
    "loss": (lambda run: run.best_val_loss, values.number),
    "epochs": (lambda run: sum(run.epochs.values()), values.number),
    "time": (lambda run: run.seconds, values.duration),
}
_STARTED = "started"
_IS: dict[str, Test] = {
    "starred": lambda run: run.starred,
    "archived": lambda run: run.archived,
    "any": lambda run: True,
    "live": lambda run: run.status in ACTIVE,
    "over": lambda run: run.status not in ACTIVE,
    "tagged": lambda run: bool(run.tags),
    "noted": lambda run: bool(run.note),
    **{
        status: lambda run, status=status: run.status == status  # type: ignore[misc]
        for status in (*OVER, "interrupted", "unreadable", "paused", "running", "preparing")
    },
}
SORTS = ("started", "name", "status", "model", "phase", "epochs", "top1", "loss", "time", "id")
KEYS = (*_TEXTS, *_NUMBERS, _STARTED, "is", "sort")
_SHOWS_ARCHIVED = ("archived", "any")


class QueryError(ValueError):
    """An invalid query; a message of one line that names the term and what was expected."""

    def __init__(self, piece: str, expected: str) -> None:
        super().__init__(f"{printable(piece)[:60]}: {expected}")


@dataclass(frozen=True, slots=True)
class Sort:
    """Sort key, and whether the largest value comes first."""

    key: str
    descending: bool = False

    def written(self) -> str:
        """Return the order as a term of a query."""
        return f"sort:{'-' if self.descending else ''}{self.key}"


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query; the empty query shows all runs except archived ones."""

    tests: tuple[Test, ...] = ()
    sorts: tuple[Sort, ...] = ()
    archived_too: bool = field(default=False)

    def matches(self, run: "RunSummary") -> bool:
        """Return whether a run is shown."""
        return (self.archived_too or not run.archived) and all(test(run) for test in self.tests)

    def apply(self, runs: Iterable["RunSummary"]) -> list["RunSummary"]:
        """Return the runs to show, in order; runs without a value come last."""
        kept = [run for run in runs if self.matches(run)]
        for sort in reversed(self.sorts):
            kept = _sorted(kept, sort)
        return kept


def parse(text: str, now: float | None = None) -> Query:
    """Parse a query; raises QueryError. `now` (Unix s) defines `today`."""
    now = time.time() if now is None else now
    tests: list[Test] = []
    sorts: list[Sort] = []
    archived_too = False
    for piece in _pieces(text):
        match = _PIECE.fullmatch(piece)
        if not match:
            tests.append(_word(piece))
            continue
        minus, key, sign, value = match[1], match[2].lower(), match[3], _unquoted(match[4])
        if not value:
            raise QueryError(piece, f"a value is missing after {sign}")
        if key == "sort":
            sorts.append(_sort(piece, sign, value))
            continue
        archived_too |= key == "is" and value.lower() in _SHOWS_ARCHIVED
        test = _test(piece, key, sign, value, now)
        tests.append(_not(test) if minus else test)
    return Query(tuple(tests), tuple(sorts), archived_too)


def sorted_by(text: str, sort: Sort | None) -> str:
    """Return the text of a query with another sort order."""
    kept = [piece for piece in _pieces(text, strict=False) if not _is_sort(piece)]
    return " ".join([*kept, sort.written()] if sort else kept)


def _pieces(text: str, strict: bool = True) -> list[str]:
    """Split at spaces outside quotes and keep the quotes; unless `strict`, close an open quote."""
    pieces, piece, quote = [], "", ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'" and (not piece or piece[-1] in "-:=<>"):
            quote = character
        elif character.isspace():
            pieces.append(piece)
            piece = ""
            continue
        piece += character
    if quote and strict:
        raise QueryError(piece, f"the quotation mark {quote} is not closed")
    return [p for p in [*pieces, piece + quote] if p]


def _is_sort(piece: str) -> bool:
    match = _PIECE.fullmatch(piece)
    return match is not None and match[2].lower() == "sort"


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] in "\"'" and text[-1] == text[0]:
        return text[1:-1]
    return text


def _not(test: Test) -> Test:
    return lambda run: not test(run)


def _word(piece: str) -> Test:
    minus = piece.startswith("-") and len(piece) > 1
    word = _unquoted(piece[minus:]).lower()

    def found(run: "RunSummary") -> bool:
        return any(word in text.lower() for text in (run.name, run.id, *run.tags))

    return _not(found) if minus else found


def _sort(piece: str, sign: str, value: str) -> Sort:
    if piece.startswith("-") or sign not in ":=":
        raise QueryError(piece, "expected sort:KEY, or sort:-KEY for the largest first")
    descending = value.startswith("-")
    key = value[descending:].lower()
    if key not in SORTS:
        key = _config_key(key, piece, f"expected sort: with one of {', '.join(SORTS)}")
    return Sort(key, descending)


def _test(piece: str, key: str, sign: str, value: str, now: float) -> Test:
    if key == "is":
        return _is(piece, value)
    if key in _TEXTS:
        return _text_test(piece, sign, value, _TEXTS[key])
    try:
        if key == _STARTED:
            return _number_test(sign, values.day(value, now), lambda run: run.started)
        if key in _NUMBERS:
            number, read = _NUMBERS[key]
            return _number_test(sign, read(value), number)
    except values.ValueProblem as problem:
        raise QueryError(piece, f"{key} {problem}") from None
    known = f"known are {', '.join(KEYS)}, and the keys of `convnext-tui keys`"
    return _config_test(piece, _config_key(key, piece, known), sign, value)


def _is(piece: str, value: str) -> Test:
    test = _IS.get(value.lower())
    if test is None:
        raise QueryError(piece, f"expected is: with one of {', '.join(_IS)}")
    return test


def _text_test(
    piece: str, sign: str, value: str, texts: Callable[["RunSummary"], Sequence[str]]
) -> Test:
    wanted = value.lower()
    if sign == ":":
        return lambda run: any(wanted in text.lower() for text in texts(run))
    if sign == "=":
        return lambda run: any(wanted == text.lower() for text in texts(run))
    raise QueryError(piece, "this is text: expected : (contains) or = (is)")


def _number_test(sign: str, span: values.Span, number: Number) -> Test:
    def test(run: "RunSummary") -> bool:
        value = number(run)
        return value is not None and span.compare(sign, value)

    return test


def _config_test(piece: str, key: str, sign: str, value: str) -> Test:
    try:
        span: values.Span | None = values.number(value)
    except values.ValueProblem:
        span = None
        if sign not in ":=":
            raise QueryError(piece, f"{sign} compares numbers") from None
    wanted = value.lower()

    def test(run: "RunSummary") -> bool:
        text = run.config.get(key)
        if text is None:
            return False
        given = _as_number(text)
        if span is not None and given is not None:
            return span.compare(sign, given)
        return wanted in text.lower() if sign == ":" else sign == "=" and wanted == text.lower()

    return test


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _config_key(key: str, piece: str, expected: str) -> str:
    # Imported here: only needed to filter by configuration.
    from core.config.load import all_keys

    known = all_keys()
    if key in known:
        return key
    ends = [name for name in known if name.endswith(f".{key}")]
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise QueryError(piece, f"which one: {', '.join(ends)}?")
    close = get_close_matches(key, [*KEYS, *known], n=1)
    hint = f"did you mean {close[0]}?" if close else expected
    raise QueryError(piece, f"unknown key {printable(key)[:40]!r}; {hint}")


def _sorted(runs: list["RunSummary"], sort: Sort) -> list["RunSummary"]:
    known = [(value, run) for run in runs if (value := _sort_value(run, sort.key)) is not None]
    unknown = [run for run in runs if _sort_value(run, sort.key) is None]
    numbers = [item for item in known if not isinstance(item[0], str)]
    texts = [item for item in known if isinstance(item[0], str)]
    # Numbers before texts: `auto` among batch sizes cannot be compared with numbers.
    ordered = [
        run
        for part in (numbers, texts)
        for _, run in sorted(part, key=lambda item: item[0], reverse=sort.descending)
    ]
    return [*ordered, *unknown]


def _sort_value(run: "RunSummary", key: str) -> float | str | None:
    if key == _STARTED:
        return run.started
    if key in _NUMBERS:
        value = _NUMBERS[key][0](run)
        return None if value is None or math.isnan(value) else value
    if key in _TEXTS:
        return " ".join(_TEXTS[key](run)).lower() or None
    text = run.config.get(key)
    if text is None:
        return None
    value = _as_number(text)
    return text.lower() if value is None or math.isnan(value) else value
