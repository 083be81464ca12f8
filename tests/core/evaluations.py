"""Validation reports for tests, from a confusion matrix."""

from collections.abc import Sequence
from typing import Any

from core.events.evaluation_parts import CalibrationBin, Confusion, Mistake
from core.events.types import Evaluated


def evaluated(matrix: Sequence[Sequence[int]], **more: Any) -> Evaluated:
    """Return the event of a validation pass with this confusion matrix (rows: true classes)."""
    size = len(matrix)
    confusions = [
        Confusion(truth, predicted, matrix[truth][predicted])
        for truth in range(size)
        for predicted in range(size)
        if truth != predicted and matrix[truth][predicted]
    ]
    values: dict[str, Any] = {
        "phase": "head",
        "epoch": 1,
        "support": [sum(row) for row in matrix],
        "predicted": [sum(row[n] for row in matrix) for n in range(size)],
        "correct": [matrix[n][n] for n in range(size)],
        "confusions": sorted(confusions, key=lambda c: -c.pictures),
        "confusions_left_out": 0,
        "calibration": [CalibrationBin(0, 0.0, 0)] * 13
        + [CalibrationBin(10, 9.0, 8), CalibrationBin(40, 39.6, 39)],
        "mistakes": [
            Mistake(f"class{c.truth}/{c.predicted}.png", c.truth, c.predicted, 0.9)
            for c in confusions
        ],
    }
    return Evaluated(**{**values, **more})
