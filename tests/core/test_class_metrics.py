import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.analysis.class_metrics import ClassificationReport
from core.events.evaluation_parts import CalibrationBin, Confusion
from core.events.types import Evaluated
from tests.core.evaluations import evaluated

# 50 ducks, 7 of them predicted as birds; 10 birds; no image of a cat.
MATRIX = [[43, 7, 0], [1, 9, 0], [1, 0, 0]]
NAMES = ["ducks", "birds", "cats"]


def test_metrics_by_class() -> None:
    ducks, birds, cats = ClassificationReport(evaluated(MATRIX), NAMES).rows
    assert (ducks.name, ducks.support, ducks.predicted) == ("ducks", 50, 45)
    assert (ducks.precision, ducks.recall) == (43 / 45, 43 / 50)
    assert ducks.f1 == pytest.approx(2 * (43 / 45) * (43 / 50) / (43 / 45 + 43 / 50))
    assert (birds.precision, birds.recall) == (9 / 16, 9 / 10)
    assert math.isnan(cats.precision)
    assert (cats.recall, cats.f1) == (0.0, 0.0)


def test_macro_f1_is_the_mean_of_classes_with_images() -> None:
    evaluation = ClassificationReport(evaluated([*MATRIX]), NAMES)
    assert evaluation.macro_f1 == pytest.approx(sum(row.f1 for row in evaluation.rows) / 3)
    more = evaluated([[*row, 0] for row in [*MATRIX, [0, 0, 0]]])
    assert ClassificationReport(more, NAMES).macro_f1 == pytest.approx(evaluation.macro_f1)
    assert math.isnan(ClassificationReport(evaluated([]), []).macro_f1)


def test_most_confused_pairs_come_first() -> None:
    pairs = ClassificationReport(evaluated(MATRIX), NAMES).pairs
    assert [(p.truth, p.predicted, p.count) for p in pairs] == [(2, 0, 1), (0, 1, 7), (1, 0, 1)]
    assert pairs[1].share == 0.14


def test_the_matrix_by_fraction_of_the_true_class() -> None:
    evaluation = ClassificationReport(evaluated(MATRIX), NAMES)
    assert evaluation.share(0, 0) == 0.86
    assert evaluation.share(0, 1) == 0.14
    assert evaluation.share(0, 2) == 0.0
    assert math.isnan(ClassificationReport(evaluated([[0]]), []).share(0, 0))
    assert evaluation.by_confusion == [2, 0, 1]
    assert evaluation.by_name == [1, 2, 0]


def test_the_expected_calibration_error_is_the_mean_gap() -> None:
    bins = [CalibrationBin(10, 9.0, 8), CalibrationBin(30, 29.4, 30), CalibrationBin(0, 0.0, 0)]
    evaluation = ClassificationReport(evaluated([[1]], calibration=bins), NAMES)
    assert evaluation.calibration_error == pytest.approx((10 * 0.1 + 30 * 0.02) / 40)
    first = evaluation.reliability[0]
    assert (first.low, first.high, first.confidence, first.accuracy) == (0, 1 / 3, 0.9, 0.8)
    assert math.isnan(evaluation.reliability[2].accuracy)
    assert math.isnan(
        ClassificationReport(evaluated([[1]], calibration=[]), NAMES).calibration_error
    )


numbers = st.integers(-(2**63), 10**400)
lists = st.lists(numbers, max_size=5)


@given(
    st.builds(
        Evaluated,
        phase=st.just("head"),
        epoch=st.just(1),
        support=lists,
        predicted=lists,
        correct=lists,
        confusions=st.lists(st.builds(Confusion, st.integers(-2, 6), st.integers(-2, 6), numbers)),
        confusions_left_out=numbers,
        calibration=st.lists(st.builds(CalibrationBin, numbers, st.floats(), numbers)),
        mistakes=st.just([]),
    ),
    st.lists(st.text(max_size=3), max_size=4),
)
def test_any_journal_gives_metrics(event: Evaluated, names: list[str]) -> None:
    evaluation = ClassificationReport(event, names)
    assert len(evaluation.rows) == evaluation.size == len(event.support)
    shares: list[Any] = [evaluation.macro_f1, evaluation.calibration_error]
    for row in evaluation.rows:
        shares += [row.precision, row.recall, row.f1]
    shares += [evaluation.share(truth, predicted) for truth, predicted in evaluation.cells]
    shares += [pair.share for pair in evaluation.pairs]
    assert all(math.isnan(share) or 0 <= share <= 1 for share in shares)
    assert sorted(evaluation.by_confusion) == sorted(evaluation.by_name)
    assert len(evaluation.by_name) == evaluation.size
    assert evaluation.images >= 0
