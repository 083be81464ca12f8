"""Findings: problems that a phase's curves show. One entry is all that a finding needs.

Each is silent unless it is clear: a difference must exceed what chance explains, and a finding
about a trend needs several epochs.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from core.analysis.findings.course import Course, course_of
from core.common import format as fmt
from core.config.phases import FULL, HEAD, PHASES
from core.run.state import RunState

_EPOCHS_AFTER_BEST = 3
_RISE = 1.08
"""Rise of the validation loss over its minimum that counts as overfitting."""
_FALL = 0.9
"""Fall of the training loss meanwhile."""
_SPIKE = 1.5
"""Rise of an epoch's training loss over that of the two epochs before."""
_GUESSING = 1.5
"""Training loss relative to that of guessing, ln(classes), beyond which training diverges."""
_DIP = 0.15
"""Fall of val top-1 at the start of phase full that a too high rate explains; a warm-up costs less.
"""
_STAGNATION_FALL = 0.97
_SOLVED = 0.97
"""Val top-1 from which on no improvement is no problem."""
FEW_IMAGES = 100
"""Training images per class below which a frozen backbone may do better."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding about a phase."""

    code: str
    phase: str
    epoch: int
    """The epoch since which it holds."""
    text: str
    """One sentence, with its figures."""


Judge = Callable[[Course], Finding | None]


def overfitting(course: Course) -> Finding | None:
    """Find a validation loss that rises while the training loss falls, without a gain in top-1."""
    losses = course.val_loss
    best = losses.index(min(losses))
    if len(losses) - 1 - best < _EPOCHS_AFTER_BEST:
        return None
    recent = min(losses[-_EPOCHS_AFTER_BEST:])
    if recent < max(_RISE * losses[best], losses[best] + 0.02):
        return None
    if course.train_loss[-1] > _FALL * course.train_loss[best]:
        return None
    top1 = course.val_top1
    if max(top1[best + 1 :]) > top1[best] + course.chance(top1[best]):
        return None
    since = course.epochs[best].epoch
    return Finding(
        "overfitting",
        course.phase.name,
        since,
        f"overfitting since {course.phase.name} epoch {since}: val loss "
        f"{fmt.loss(losses[best])} → {fmt.loss(losses[-1])} while train loss "
        f"{fmt.loss(course.train_loss[best])} → {fmt.loss(course.train_loss[-1])}",
    )


def stagnation(course: Course) -> Finding | None:
    """Find a running phase in which nothing has improved for a third of its epochs."""
    window = max(5, math.ceil(course.phase.max_epochs / 3))
    if course.phase.status != "running" or len(course.epochs) < window + 2:
        return None
    top1, before = course.val_top1, slice(None, -window)
    best = max(top1[before])
    has_gain = max(top1[-window:]) > best + course.chance(best)
    if has_gain or best >= _SOLVED or min(course.val_loss[-window:]) < min(course.val_loss[before]):
        return None
    if course.train_loss[-1] < _STAGNATION_FALL * course.train_loss[-window - 1]:
        return None
    return Finding(
        "stagnation",
        course.phase.name,
        course.epochs[-window - 1].epoch,
        f"nothing has improved for {window} epochs: val top-1 {fmt.percent(top1[-1])}, train loss "
        f"{fmt.loss(course.train_loss[-1])}; a higher learning rate or the next phase may help",
    )


def loss_spike(course: Course) -> Finding | None:
    """Find an epoch whose training loss is far above that of the two before."""
    losses = course.train_loss
    for number in range(len(losses) - 1, 1, -1):
        before = max(losses[number - 2 : number])
        if losses[number] > max(_SPIKE * before, before + 0.1):
            epoch = course.epochs[number].epoch
            return Finding(
                "loss-spike",
                course.phase.name,
                epoch,
                f"train loss jumped from {fmt.loss(losses[number - 1])} to "
                f"{fmt.loss(losses[number])} in {course.phase.name} epoch {epoch}: the learning "
                "rate may be too high, or a batch has wrong labels",
            )
    return None


def rate_too_high(course: Course) -> Finding | None:
    """Find a loss worse than guessing, or a phase full that destroys what phase head learned."""
    guessing = math.log(max(2, course.classes))
    name, epoch = course.phase.name, course.epochs[-1]
    if len(course.epochs) > 1 and epoch.train_loss > _GUESSING * guessing:
        return Finding(
            "learning-rate",
            name,
            epoch.epoch,
            f"train loss {fmt.loss(epoch.train_loss)} is worse than guessing "
            f"({fmt.loss(guessing)}): the learning rate of phase {name} is too high",
        )
    head = course.earlier_top1
    first = course.epochs[:3]
    lowest = min(first, key=lambda e: e.val_top1)
    if math.isnan(head) or head - lowest.val_top1 < max(_DIP, 5 * course.chance(head)):
        return None
    return Finding(
        "learning-rate",
        name,
        lowest.epoch,
        f"val top-1 fell from {fmt.percent(head)} in phase {HEAD} to "
        f"{fmt.percent(lowest.val_top1)} in {name} epoch {lowest.epoch}: the learning rate of "
        f"phase {name} may be too high",
    )


def full_below_head(course: Course) -> Finding | None:
    """Find a phase full that has ended without reaching what phase head had."""
    head, full = course.earlier_top1, course.best_top1
    if course.phase.status != "done" or math.isnan(head) or full >= head:
        return None
    if rate_too_high(course):
        why = "its learning rate may be too high"
    elif course.images_per_class < FEW_IMAGES:
        images = fmt.counted(round(course.images_per_class), "image")
        why = f"with {images} per class the frozen backbone does better"
    else:
        why = "more epochs or another learning rate may help"
    by_chance = ", within chance" if head - full < course.chance(head) else ""
    return Finding(
        "full-below-head",
        course.phase.name,
        course.epochs[-1].epoch,
        f"phase {FULL} reached {fmt.percent(full)}, less than phase {HEAD} with "
        f"{fmt.percent(head)}{by_chance}: {why}; the best weights of the run are those of phase "
        f"{HEAD}",
    )


FINDINGS: dict[str, Judge] = {
    "learning-rate": rate_too_high,
    "loss-spike": loss_spike,
    "overfitting": overfitting,
    "stagnation": stagnation,
    "full-below-head": full_below_head,
}
"""By code, the most urgent first. Each also holds while the run trains."""


def find(state: RunState) -> list[Finding]:
    """Return the findings about a run so far, the most urgent of the last phase first."""
    courses = [course for name in reversed(PHASES) if (course := course_of(state, name))]
    return [found for course in courses for judge in FINDINGS.values() if (found := judge(course))]
