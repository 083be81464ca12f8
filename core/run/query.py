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

from core.common.errors import UserError
from core.common.text import printable, quoted
from core.run import query_values as values
from core.run.state import ACTIVE, OVER

if TYPE_CHECKING:
    from core.run.summary import RunSummary

Test = Callable[["RunSummary"], bool]
Number = Callable[["RunSummary"], float | None]

_TERM = re.compile(r"(-?)([A-Za-z_][\w.-]*)(>=|<=|:|=|>|<)(.*)", re.DOTALL)
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
_NUMBERS: dict[str, tuple[Number, Callable[[str], values.ValueRange]]] = {
    "top1": (lambda run: run.best_val_top1, values.fraction),
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
_INCLUDES_ARCHIVED = ("archived", "any")


class QueryError(UserError):
    """An invalid query; a message of one line that names the term and what was expected."""

    def __init__(self, term: str, expected: str) -> None:
        super().__init__(f"{printable(term)[:60]}: {expected}")


@dataclass(frozen=True, slots=True)
class Sort:
    """Sort key, and whether the largest value comes first."""

    key: str
    descending: bool = False

    def to_text(self) -> str:
        """Return the order as a term of a query."""
        return f"sort:{'-' if self.descending else ''}{self.key}"


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query; the empty query shows all runs except archived ones."""

    tests: tuple[Test, ...] = ()
    sort_orders: tuple[Sort, ...] = ()
    with_archived: bool = field(default=False)

    def matches(self, run: "RunSummary") -> bool:
        """Return whether a run is shown."""
        return (self.with_archived or not run.archived) and all(test(run) for test in self.tests)

    def apply(self, runs: Iterable["RunSummary"]) -> list["RunSummary"]:
        """Return the runs to show, in order; runs without a value come last."""
        return self.ordered(run for run in runs if self.matches(run))

    def ordered(self, runs: Iterable["RunSummary"]) -> list["RunSummary"]:
        """Return runs in order; those without a value come last."""
        kept = list(runs)
        for sort in reversed(self.sort_orders):
            kept = _sorted(kept, sort)
        return kept


def parse(text: str, now: float | None = None) -> Query:
    """Parse a query; raises QueryError. `now` (Unix s) defines `today`."""
    now = time.time() if now is None else now
    tests: list[Test] = []
    sort_orders: list[Sort] = []
    with_archived = False
    for term in _split_terms(text):
        match = _TERM.fullmatch(term)
        if not match:
            tests.append(_word(term))
            continue
        minus, key, sign, value = match[1], match[2].lower(), match[3], _unquoted(match[4])
        if not value:
            raise QueryError(term, f"a value is missing after {sign}")
        if key == "sort":
            sort_orders.append(_sort(term, sign, value))
            continue
        with_archived |= key == "is" and value.lower() in _INCLUDES_ARCHIVED
        test = _test(term, key, sign, value, now)
        tests.append(_not(test) if minus else test)
    return Query(tuple(tests), tuple(sort_orders), with_archived)


def sorted_by(text: str, sort: Sort | None) -> str:
    """Return the text of a query with another sort order."""
    kept = [term for term in _split_terms(text, strict=False) if not _is_sort(term)]
    return " ".join([*kept, sort.to_text()] if sort else kept)


def _split_terms(text: str, strict: bool = True) -> list[str]:
    """Split at spaces outside quotes and keep the quotes; unless `strict`, close an open quote."""
    terms, term, quote = [], "", ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'" and (not term or term[-1] in "-:=<>"):
            quote = character
        elif character.isspace():
            terms.append(term)
            term = ""
            continue
        term += character
    if quote and strict:
        raise QueryError(term, f"the quotation mark {quote} is not closed")
    return [p for p in [*terms, term + quote] if p]


def _is_sort(term: str) -> bool:
    match = _TERM.fullmatch(term)
    return match is not None and match[2].lower() == "sort"


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] in "\"'" and text[-1] == text[0]:
        return text[1:-1]
    return text


def _not(test: Test) -> Test:
    return lambda run: not test(run)


def _word(term: str) -> Test:
    minus = term.startswith("-") and len(term) > 1
    word = _unquoted(term[minus:]).lower()

    def found(run: "RunSummary") -> bool:
        return any(word in text.lower() for text in (run.name, run.id, *run.tags))

    return _not(found) if minus else found


def _sort(term: str, sign: str, value: str) -> Sort:
    if term.startswith("-") or sign not in ":=":
        raise QueryError(term, "expected sort:KEY, or sort:-KEY for the largest first")
    descending = value.startswith("-")
    key = value[descending:].lower()
    if key not in SORTS:
        key = _config_key(key, term, f"expected sort: with one of {', '.join(SORTS)}")
    return Sort(key, descending)


def _test(term: str, key: str, sign: str, value: str, now: float) -> Test:
    if key == "is":
        return _is(term, value)
    if key in _TEXTS:
        return _text_test(term, sign, value, _TEXTS[key])
    try:
        if key == _STARTED:
            return _number_test(sign, values.day(value, now), lambda run: run.started)
        if key in _NUMBERS:
            number, read = _NUMBERS[key]
            return _number_test(sign, read(value), number)
    except values.InvalidValue as error:
        raise QueryError(term, f"{key} {error}") from None
    known = f"known are {', '.join(KEYS)}, and the keys of `convnext-tui keys`"
    return _config_test(term, _config_key(key, term, known), sign, value)


def _is(term: str, value: str) -> Test:
    test = _IS.get(value.lower())
    if test is None:
        raise QueryError(term, f"expected is: with one of {', '.join(_IS)}")
    return test


def _text_test(
    term: str, sign: str, value: str, texts: Callable[["RunSummary"], Sequence[str]]
) -> Test:
    lowered = value.lower()
    if sign == ":":
        return lambda run: any(lowered in text.lower() for text in texts(run))
    if sign == "=":
        return lambda run: any(lowered == text.lower() for text in texts(run))
    raise QueryError(term, "this is text: expected : (contains) or = (is)")


def _number_test(sign: str, limits: values.ValueRange, number: Number) -> Test:
    def test(run: "RunSummary") -> bool:
        value = number(run)
        return value is not None and limits.compare(sign, value)

    return test


def _config_test(term: str, key: str, sign: str, value: str) -> Test:
    try:
        limits: values.ValueRange | None = values.number(value)
    except values.InvalidValue:
        limits = None
        if sign not in ":=":
            raise QueryError(term, f"{sign} compares numbers") from None
    lowered = value.lower()

    def test(run: "RunSummary") -> bool:
        text = run.config.get(key)
        if text is None:
            return False
        given = _as_number(text)
        if limits is not None and given is not None:
            return limits.compare(sign, given)
        return lowered in text.lower() if sign == ":" else sign == "=" and lowered == text.lower()

    return test


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _config_key(key: str, term: str, expected: str) -> str:
    # Imported here: only needed to filter by configuration.
    from core.config.key_docs import all_keys

    known = all_keys()
    if key in known:
        return key
    ends = [name for name in known if name.endswith(f".{key}")]
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise QueryError(term, f"which one: {', '.join(ends)}?")
    close = get_close_matches(key, [*KEYS, *known], n=1)
    hint = f"did you mean {close[0]}?" if close else expected
    raise QueryError(term, f"unknown key {quoted(printable(key)[:40])}; {hint}")


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
