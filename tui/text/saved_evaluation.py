"""A kept evaluation of a run as text. Whatever the file holds: it may have been edited."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from textual.content import Content

from core.common import format as fmt
from core.common.text import printable
from core.run.saved_evaluations import KeptEvaluation

_FIGURES = {
    "top1": "top-1",
    "top5": "top-5",
    "macro_f1": "macro F1",
    "ece": "calibration error (ECE)",
    "loss": "loss",
}
_DIM, _STRONG = "$foreground 60%", "bold"
_NAMES, _CLASSES, _PAIRS = 24, 20, 10


def saved_evaluation_text(kept: KeptEvaluation, place: int, of: int, now: float) -> Content:
    """Return an evaluation with its figures, weakest classes and most confused pairs; it is
    number `place` of `of`, the newest being 1."""
    lines = [
        *_head(kept, place, of, now),
        Content(""),
        *_figures(kept.content),
        *_classes(kept.content),
        *_pairs(kept.content),
    ]
    return Content("\n").join(lines)


def _head(kept: KeptEvaluation, place: int, of: int, now: float) -> Iterator[Content]:
    data = _mapping(kept.content.get("data"))
    pictures = _number(data.get("pictures"))
    part = printable(str(data.get("part") or "all of it"))
    others = f" · {place} of {of}, ← → the others" if of > 1 else ""
    yield Content.assemble(
        (f"{fmt.count(int(pictures))} pictures", _STRONG),
        f" of {printable(str(data.get('root', '')))} ({part})",
    )
    checkpoint = printable(str(kept.content.get("checkpoint", "")))
    unreadable = len(_sequence(data.get("unreadable")))
    left_out = f" · {fmt.count(unreadable)} unreadable left out" if unreadable else ""
    yield Content.styled(f"{checkpoint} · {fmt.when(kept.time, now)}{left_out}{others}", _DIM)


def _figures(content: Mapping[str, Any]) -> Iterator[Content]:
    intervals, tta = _mapping(content.get("intervals")), _mapping(content.get("tta"))
    kind = printable(str(tta.get("kind", ""))) if tta else ""
    more = f"  {f'with {kind}':>16}  {'difference':>10}" if tta else ""
    yield Content.styled(f"{'':<{_NAMES}}{'value':>9}  {'95% interval':<20}{more}", _DIM)
    averaged, differences = _mapping(tta.get("figures")), _mapping(tta.get("differences"))
    for key, name in _FIGURES.items():
        ends = [_value(key, _number(end)) for end in _sequence(intervals.get(key))]
        interval = f"{ends[0]} to {ends[1]}" if len(ends) == 2 else fmt.NONE
        line = Content.assemble(
            f"{name:<{_NAMES}}", (f"{_value(key, content[key]):>9}", _STRONG)
        ) + Content(f"  {interval}".ljust(22))
        if tta:
            value, difference = _number(averaged.get(key)), _number(differences.get(key))
            signed = f"{difference:+.4f}" if key == "loss" else f"{100 * difference:+.2f}"
            line += Content(f"  {_value(key, value):>16}  {signed:>10}")
        yield line


def _classes(content: Mapping[str, Any]) -> Iterator[Content]:
    rows = [_mapping(row) for row in _sequence(content.get("per_class"))]
    rows = [row for row in rows if _number(row.get("support")) > 0]
    rows.sort(key=lambda row: _number(row.get("f1")))
    if not rows:
        return
    said = "class" if len(rows) <= _CLASSES else f"the {_CLASSES} weakest classes"
    yield Content("")
    yield Content.styled(
        f"{said:<{_NAMES}}{'pictures':>9}{'precision':>11}{'recall':>9}{'F1':>9}", _DIM
    )
    for row in rows[:_CLASSES]:
        values = [fmt.percent(_number(row.get(key)), 1) for key in ("precision", "recall", "f1")]
        count = fmt.count(int(_number(row.get("support"))))
        name = _cut(str(row.get("name", "")))
        yield Content(f"{name:<{_NAMES}}{count:>9}{values[0]:>11}{values[1]:>9}{values[2]:>9}")


def _pairs(content: Mapping[str, Any]) -> Iterator[Content]:
    pairs = [_mapping(pair) for pair in _sequence(content.get("confused_pairs"))]
    if not pairs:
        return
    yield Content("")
    yield Content.styled("confused most", _DIM)
    for pair in pairs[:_PAIRS]:
        names = [printable(str(name)) for name in _sequence(pair.get("names"))]
        share, count = fmt.percent(_number(pair.get("share")), 0), int(_number(pair.get("count")))
        yield Content(f"{' taken for '.join(names[:2])} {share} ({fmt.count(count)} pictures)")


def _value(key: str, value: float) -> str:
    return fmt.loss(value) if key == "loss" else fmt.percent(value)


def _cut(name: str) -> str:
    shown = printable(name)
    return shown if len(shown) < _NAMES else f"{shown[: _NAMES - 2]}…"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def _number(value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return 0.0
    return number if abs(number) < 1e15 else 0.0
