"""Format a saved evaluation of a run, or its last validation pass as long as there is none.

Tolerates edited files with missing or invalid values.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from textual.content import Content

from core.analysis.class_metrics import ClassificationReport
from core.analysis.evaluation_metrics import METRIC_NAMES, training_images_note
from core.common import format as fmt
from core.common.left_out import left_out_text
from core.common.text import printable
from core.run.saved_evaluations import SavedEvaluation
from core.run.state import RunState
from tui.text.elide import elided

_DIM, _STRONG = "$foreground 60%", "bold"
_NAMES, _CLASSES, _PAIRS = 24, 20, 10


def saved_evaluation_text(saved: SavedEvaluation, number: int, total: int, now: float) -> Content:
    """Return an evaluation's metrics, weakest classes and most confused pairs.

    It is number `number` of `total`, the newest is 1.
    """
    lines = [
        *_head(saved, number, total, now),
        Content(""),
        *_metrics(saved.content),
        *_classes(saved.content),
        *_pairs(saved.content),
    ]
    return Content("\n").join(lines)


def validation_text(state: RunState) -> Content:
    """Return the metrics of the best epoch's validation pass, or of the latest one; empty without
    one."""
    event = state.evaluations.best or state.evaluations.latest
    if event is None:
        return Content("")
    report = ClassificationReport(event, state.data.classes if state.data else [])
    epoch = next(
        (
            point.result
            for point in state.epochs
            if (point.result.phase, point.result.epoch) == (event.phase, event.epoch)
        ),
        None,
    )
    content = {
        "per_class": [asdict(row) for row in report.rows],
        "confused_pairs": [
            {"names": [report.name(p.truth), report.name(p.predicted)], "share": p.share,
             "count": p.count}
            for p in report.pairs
        ],
    }  # fmt: skip
    which = "best" if event is state.evaluations.best else "latest"
    figures = [f"macro F1 {fmt.percent(report.macro_f1)}"]
    if epoch is not None:
        figures = [
            f"top-1 {fmt.percent(epoch.val_top1)}",
            f"top-5 {fmt.percent(epoch.val_top5)}",
            f"loss {fmt.loss(epoch.val_loss)}",
            *figures,
        ]
    where = f"Validation of the {which} epoch, {printable(event.phase)} epoch {event.epoch}: "
    lines = [
        Content.assemble((where, _DIM), (", ".join(figures), _STRONG)),
        Content.styled(fmt.counted(report.images, "val image"), _DIM),
        *_classes(content),
        *_pairs(content),
    ]
    return Content("\n").join(lines)


def _head(saved: SavedEvaluation, number: int, total: int, now: float) -> Iterator[Content]:
    data = _mapping(saved.content.get("data"))
    images = _number(data.get("pictures"))
    part = printable(str(data.get("part") or "all splits"))
    others = f" · {number} of {total}, ← → next" if total > 1 else ""
    yield Content.assemble(
        (fmt.counted(int(images), "image"), _STRONG),
        f" of {printable(str(data.get('root', '')))} ({part})",
    )
    checkpoint = printable(str(saved.content.get("checkpoint", "")))
    unreadable = len(_sequence(data.get("unreadable")))
    reasons = {str(k): int(_number(n)) for k, n in _mapping(data.get("left_out")).items()}
    text = left_out_text(reasons, unreadable)
    left_out = f" · {text}" if text else ""
    yield Content.styled(f"{checkpoint} · {fmt.when(saved.time, now)}{left_out}{others}", _DIM)
    if note := _training_note(saved.content, int(images)):
        yield Content.styled(note, "$text-warning")


def _training_note(content: Mapping[str, Any], images: int) -> str:
    known = _mapping(content.get("training_images"))
    others = _mapping(known.get("others"))
    metrics = {key: _number(others.get(key)) for key in METRIC_NAMES} if others else None
    return training_images_note(int(_number(known.get("count", 0))), images, metrics)


def _metrics(content: Mapping[str, Any]) -> Iterator[Content]:
    intervals, tta = _mapping(content.get("intervals")), _mapping(content.get("tta"))
    kind = printable(str(tta.get("kind", ""))) if tta else ""
    more = f"  {f'with {kind}':>16}  {'difference':>10}" if tta else ""
    yield Content.styled(f"{'':<{_NAMES}}{'value':>9}  {'95% interval':<20}{more}", _DIM)
    averaged, differences = _mapping(tta.get("figures")), _mapping(tta.get("differences"))
    for key, name in METRIC_NAMES.items():
        ends = [_value(key, _number(end)) for end in _sequence(intervals.get(key))]
        interval = f"{ends[0]} to {ends[1]}" if len(ends) == 2 else fmt.NONE
        line = Content.assemble(
            f"{name.short:<{_NAMES}}", (f"{_value(key, content[key]):>9}", _STRONG)
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
    title = "class" if len(rows) <= _CLASSES else f"{_CLASSES} weakest classes"
    yield Content("")
    yield Content.styled(
        f"{title:<{_NAMES}}{'images':>9}{'precision':>11}{'recall':>9}{'F1':>9}", _DIM
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
    yield Content.styled("most confused pairs", _DIM)
    for pair in pairs[:_PAIRS]:
        names = [printable(str(name)) for name in _sequence(pair.get("names"))]
        share = fmt.percent(_number(pair.get("share")), 0)
        count = fmt.counted(int(_number(pair.get("count"))), "image")
        yield Content(f"{' predicted as '.join(names[:2])} {share} ({count})")


def _value(key: str, value: float) -> str:
    return fmt.loss(value) if key == "loss" else fmt.percent(value)


def _cut(name: str) -> str:
    return elided(printable(name), _NAMES - 1)


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
