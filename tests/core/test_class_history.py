import math

import pytest

from core.events.types import Evaluated
from core.run.class_history import MAX_COUNTS, ClassHistory
from tests.core.evaluations import evaluated


def report(epoch: int, correct: list[int], support: list[int], phase: str = "head") -> Evaluated:
    event = evaluated([], phase=phase, epoch=epoch)
    return Evaluated(
        **{
            **{name: getattr(event, name) for name in event.__slots__},
            "support": list(support),
            "correct": correct,
        }
    )


def history(classes: int, epochs: int) -> ClassHistory:
    kept = ClassHistory()
    for epoch in range(1, epochs + 1):
        kept.add(report(epoch, [epoch % 50] * classes, [50] * classes))
    return kept


def test_a_hundred_epochs_of_a_thousand_classes_are_all_kept() -> None:
    kept = history(1000, 100)
    assert [each.epoch for each in kept.passes] == list(range(1, 101))
    assert len({id(each.support) for each in kept.passes}) == 1
    assert kept.passes[41].accuracy(999) == 42 / 50
    assert kept.passes[41].mean == pytest.approx(42 / 50)


@pytest.mark.parametrize(("classes", "epochs"), [(2, 2000), (40_000, 60)])
def test_longer_histories_keep_evenly_spaced_epochs_and_the_newest(
    classes: int, epochs: int
) -> None:
    kept = history(classes, epochs)
    assert len(kept.passes) * classes <= max(MAX_COUNTS, 16 * classes)
    assert kept.recorded == epochs
    assert kept.passes[-1].epoch == epochs
    assert kept.stride > 1
    assert [p.number for p in kept.passes[:-1]] == list(range(0, epochs - 1, kept.stride))


def test_epochs_that_are_trained_again_are_dropped() -> None:
    kept = history(2, 5)
    kept.rewind(lambda each: each.epoch < 4)
    kept.add(report(4, [50, 0], [50, 50]))
    kept.add(report(4, [25, 0], [50, 50]))
    assert [(p.epoch, p.accuracy(0)) for p in kept.passes[2:]] == [(3, 3 / 50), (4, 0.5)]
    assert kept.recorded == 4


def test_impossible_counts_and_classes_without_images_are_no_error() -> None:
    kept = ClassHistory()
    kept.add(report(1, [9, -3, 1], [3, 4, 0, 7]))
    kept.add(report(2, [], []))
    first, second = kept.passes
    assert (first.accuracy(0), first.accuracy(1), first.mean) == (1.0, 0.0, 0.5)
    assert all(math.isnan(first.accuracy(label)) for label in (-1, 2, 3, 4))
    assert math.isnan(second.mean)
