"""Per-class results of a validation pass, compared with a plain count."""

import math
from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.events.evaluation_parts import CalibrationBin, Confusion
from core.events.types import Evaluated
from core.training import evaluation_metrics, metrics
from core.training.evaluation_metrics import EvaluationMetrics
from core.training.metrics import RunningMetrics, cross_entropy

ForwardResult = list[tuple[torch.Tensor, torch.Tensor]]


def emitted(passed: ForwardResult, looks: list[bool]) -> Evaluated:
    """Return the event of a pass with intermediate results; dataset indices count down from 100."""
    count = sum(len(labels) for _, labels in passed)
    found = EvaluationMetrics([f"{n}.png" for n in range(101)])
    plain = RunningMetrics()
    place = 100
    for (logits, labels), look in zip(passed, looks, strict=False):
        places = torch.arange(place, place - len(labels), -1)
        place -= len(labels)
        found.add_samples(cross_entropy(logits, labels), logits, labels, places)
        plain.add(cross_entropy(logits, labels), logits, labels)
        if look:
            found.result()
    assert repr(found.result()) == repr(plain.result())  # NaN differs from itself
    event = found.take_event("head", 3)
    assert event is not None
    assert sum(event.correct) == pytest.approx(plain.result().top1 * count)
    return event


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=8),
    st.integers(2, 12),
    st.sampled_from([0, 50, 1 << 22]),
    st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_counts_are_those_of_all_images(
    sizes: list[int], classes: int, room: int, looks: list[bool]
) -> None:
    generator = torch.Generator().manual_seed(sum(sizes) + classes)
    passed = [
        (
            3 * torch.randn(size, classes, generator=generator),
            torch.randint(0, classes, (size,), generator=generator),
        )
        for size in sizes
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "MAX_PENDING_LOGITS", room)
        event = emitted(passed, looks)
    logits, labels = (torch.cat(parts) for parts in zip(*passed, strict=True))
    confidence, predicted = logits.softmax(dim=1).max(dim=1)
    matrix = {
        (t, p): int(((labels == t) & (predicted == p)).sum())
        for t, p in product(range(classes), repeat=2)
    }
    assert (event.phase, event.epoch, event.confusions_left_out) == ("head", 3, 0)
    assert event.support == [sum(matrix[t, p] for p in range(classes)) for t in range(classes)]
    assert event.predicted == [sum(matrix[t, p] for t in range(classes)) for p in range(classes)]
    assert event.correct == [matrix[t, t] for t in range(classes)]
    wrong = [Confusion(t, p, n) for (t, p), n in matrix.items() if n and t != p]
    assert event.confusions == sorted(wrong, key=lambda c: (-c.pictures, c.truth, c.predicted))
    assert len(event.calibration) == 15
    for number, found in enumerate(event.calibration):
        inside = (confidence > number / 15) & (confidence <= (number + 1) / 15)
        assert found.pictures == inside.sum()
        assert found.confidence == pytest.approx(float(confidence[inside].sum()), abs=1e-5)
        assert found.correct == (inside & (labels == predicted)).sum()
    mistakes = torch.nonzero(labels != predicted)[:, 0].tolist()
    mistakes.sort(key=lambda i: (-confidence[i].item(), 100 - i))
    assert [m.path for m in event.mistakes] == [f"{100 - i}.png" for i in mistakes[:24]]
    for mistake, i in zip(event.mistakes, mistakes, strict=False):
        assert (mistake.truth, mistake.predicted) == (labels[i], predicted[i])
        assert mistake.confidence == pytest.approx(confidence[i].item(), abs=1e-6)


def test_equally_confident_mistakes_are_in_dataset_order() -> None:
    logits = torch.zeros(6, 2).bfloat16()
    logits[:, 1] = 5
    event = emitted([(logits, torch.zeros(6, dtype=torch.int64))], [False])
    assert [mistake.path for mistake in event.mistakes] == [f"{n}.png" for n in range(95, 101)]


def test_only_the_most_frequent_confusions_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation_metrics, "MAX_CONFUSIONS", 2)
    logits = torch.eye(4)[[1, 1, 1, 2, 2, 3, 3, 0]]
    event = emitted([(logits, torch.tensor([0, 0, 0, 0, 0, 0, 1, 0]))], [True])
    assert event.confusions == [Confusion(0, 1, 3), Confusion(0, 2, 2)]
    assert event.confusions_left_out == 2
    assert event.support == [7, 1, 0, 0]


def test_non_finite_logits_have_no_confidence() -> None:
    logits = torch.tensor([[math.nan, 0.0], [9.0, 0.0]])
    event = emitted([(logits, torch.tensor([1, 0]))], [False])
    assert sum(event.support) == sum(event.predicted) == 2
    assert sum(found.pictures for found in event.calibration) == 1
    assert event.mistakes == []
    assert event.calibration[-1] == CalibrationBin(1, pytest.approx(0.999877), 1)


def test_a_pass_without_images_has_no_event() -> None:
    assert EvaluationMetrics([]).take_event("head", 1) is None
