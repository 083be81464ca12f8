"""Verdict at the end of a run: at most three sentences from its own curves."""

import math

from core.analysis.findings.course import Course, course_of
from core.analysis.findings.findings import FEW_IMAGES, find, overfitting
from core.common import format as fmt
from core.common.text import printable
from core.run.state import RunState

_MIN_EPOCHS = 3
_GAP = 0.1
"""Difference of train and val top-1 that is called a gap."""
_SOLVED = 0.98
_MIN_ERRORS = 5


def verdict(state: RunState) -> list[str]:
    """Return the fit, the change that is likely to help, and the class that costs most.

    Only what the curves support is said: nothing without a few epochs.
    """
    best = state.best
    course = course_of(state, best.result.phase) if best else None
    sentences = []
    if course is not None and len(course.epochs) >= _MIN_EPOCHS:
        sentences = [_fit(course), _advice(course)]
    return [text for text in (*sentences, _costliest_class(state)) if text]


def report(state: RunState) -> list[str]:
    """Return the verdict, and before it the findings that it doesn't contain."""
    said = verdict(state)
    findings = [found.text for found in find(state) if found.code != "overfitting"]
    return [*findings, *said]


def is_improving(course: Course) -> bool:
    """Return whether the phase was still improving when it had trained all of its epochs."""
    top1, losses = course.val_top1, course.val_loss
    if len(top1) < _MIN_EPOCHS or len(course.phase.epochs) < course.phase.max_epochs:
        return False
    gain = max(top1[-2:]) - max(top1[:-2])
    return losses[-1] <= 1.002 * min(losses) and gain > course.chance(top1[-1]) / 2


def _fit(course: Course) -> str:
    last = course.epochs[-1]
    found = overfitting(course)
    if found:
        return found.text
    train, val = fmt.percent(last.train_top1), fmt.percent(last.val_top1)
    if last.train_top1 - last.val_top1 > _GAP:
        return f"train top-1 {train} is well above val top-1 {val}: the model memorizes images"
    if last.val_top1 >= _SOLVED:
        return f"val top-1 {val} with train top-1 {train}: no overfitting"
    if last.train_top1 <= last.val_top1 + 0.02:
        return f"train top-1 {train} and val top-1 {val} are close: rather under- than overfitting"
    return f"train top-1 {train}, val top-1 {val}: no overfitting"


def _advice(course: Course) -> str:
    last = course.epochs[-1]
    if course.best_top1 >= _SOLVED:
        wrong = round((1 - course.best_top1) * course.val_images)
        return f"little is left to gain: {fmt.counted(wrong, 'error')} in validation"
    if is_improving(course):
        return "still improving in its last epochs: more epochs are likely to help"
    gap = last.train_top1 - last.val_top1
    if overfitting(course) or gap > _GAP:
        few = f" ({course.images_per_class:.0f} images per class)"
        return "more data or stronger augmentation is likely to help, more epochs are not" + (
            few if course.images_per_class < FEW_IMAGES else ""
        )
    return "more epochs are not likely to help; a larger backbone or more data may"


def _costliest_class(state: RunState) -> str:
    report, data = state.evaluations.best or state.evaluations.latest, state.data
    if report is None or data is None:
        return ""
    pairs = zip(report.support, report.correct, strict=False)
    errors = [max(0, images - correct) for images, correct in pairs]
    total = sum(errors)
    if total < _MIN_ERRORS:
        return ""
    most = max(range(len(errors)), key=errors.__getitem__)
    name = data.classes[most] if most < len(data.classes) else f"class {most}"
    share = errors[most] / total
    if not math.isfinite(share) or share < 1.5 / max(1, len(errors)):
        return ""
    return (
        f"class {printable(name)} costs most: {fmt.count(errors[most])} of {fmt.count(total)} "
        f"errors, {fmt.count(report.correct[most])} of "
        f"{fmt.counted(report.support[most], 'image')} correct"
    )
