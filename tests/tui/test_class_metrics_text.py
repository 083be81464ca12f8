import math

import pytest

from core.analysis.class_metrics import ClassificationReport
from core.events.evaluation_parts import CalibrationBin
from core.run.state import RunState
from core.run.state_evaluations import EvaluationState
from tests.core.evaluations import evaluated
from tui.text import class_metrics
from tui.widgets import reliability

NAMES = ["ducks", "birds", "[b]cats\x1b"]
MATRIX = [[43, 7, 0], [1, 9, 0], [0, 0, 0]]


def evaluation(**more: object) -> ClassificationReport:
    return ClassificationReport(evaluated(MATRIX, **more), NAMES)


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (math.nan, "–"),
        (0.0, "·"),
        (0.0001, "<1"),
        (0.14, "14"),
        (0.9999, "99"),
        (1.0, "100"),
    ],
)
def test_a_percentage_fits_three_cells(fraction: float, text: str) -> None:
    assert class_metrics.percent_cell(fraction) == text


@pytest.mark.parametrize(
    ("change", "text"),
    [(None, "–"), (0.012, "▲ +1.2"), (-0.008, "▼ -0.8"), (0.0, "="), (-0.0001, "=")],
)
def test_a_change_has_a_sign(change: float | None, text: str) -> None:
    assert class_metrics.change_text(change) == text


def test_pairs_and_cells_as_text() -> None:
    found = evaluation()
    assert class_metrics.pair_lines(found, 9) == [
        "ducks predicted as birds 14% (7 of 50)",
        "birds predicted as ducks 10% (1 of 10)",
    ]
    assert class_metrics.pair_lines(found, 1) == ["and 2 more pairs"]
    assert class_metrics.cell_text(found, 1, 1) == "birds correct 90% (9 of 10)"
    assert class_metrics.cell_text(found, 1, 2) == r"birds predicted as [b]cats\x1b 0% (0 of 10)"
    assert class_metrics.cell_text(found, 2, 0) == r"[b]cats\x1b has no validation images"
    right = ClassificationReport(evaluated([[3, 0], [0, 2]]), NAMES)
    assert class_metrics.pair_lines(right, 5) == ["no misclassified images"]


@pytest.mark.parametrize(
    ("correct", "verdict"),
    [
        (8, "overconfident by 10.0 points"),
        (10, "underconfident by 10.0 points"),
        (9, "well calibrated"),
    ],
)
def test_calibration_is_classified(correct: int, verdict: str) -> None:
    found = evaluation(calibration=[CalibrationBin(10, 9.0, correct)])
    assert class_metrics.calibration_text(found).endswith(f": {verdict}")


def test_calibration_without_confidences() -> None:
    assert class_metrics.calibration_text(evaluation(calibration=[])) == "no confidences recorded"


def test_changes_are_changes_of_f1() -> None:
    state = RunState(evaluations=EvaluationState(evaluated(MATRIX), evaluated([[1, 0], [1, 0]])))
    changed = class_metrics.f1_changes(
        class_metrics.select_evaluation(state, "running", best=False)
    )
    assert list(changed) == [0, 1]
    assert changed[0] == pytest.approx(2 * 43 / 94 - 2 / 3)
    assert (
        class_metrics.f1_changes(class_metrics.select_evaluation(state, "running", best=True)) == {}
    )


def test_classes_without_a_value_are_last_in_any_order() -> None:
    state = RunState(evaluations=EvaluationState(evaluated(MATRIX)))
    data = class_metrics.ClassTableData(
        class_metrics.select_evaluation(state, "running", best=False)
    )
    assert data.order(class_metrics.F1, False) == [1, 0, 2]
    assert data.order(class_metrics.F1, True) == [0, 1, 2]
    assert data.order(class_metrics.SUPPORT, True) == [0, 1, 2]
    assert data.order(class_metrics.CHANGE, True) == [0, 1, 2]


@pytest.mark.parametrize("size", [(0, 0), (3, 1), (7, 1), (20, 2), (21, 3), (70, 9), (300, 60)])
def test_the_reliability_diagram_fits_any_size(size: tuple[int, int]) -> None:
    width, height = size
    one = evaluation(calibration=[CalibrationBin(1, 9.0, 1)])
    for found in (evaluation(), evaluation(calibration=[]), one):
        lines = reliability.draw(found.reliability, width, height).plain.split("\n")
        assert len(lines) <= max(1, height)
        assert all(len(line) <= max(width, 0) for line in lines)
