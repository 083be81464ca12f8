"""Export of a comparison: its table and curves as CSV, the table as plain values for JSON."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from core.analysis.compare import ComparedRun, ComparisonRow, config_differences, results
from core.common.tables import csv_table
from core.run.figures import FIGURES, EpochValue
from core.run.state_parts import EpochPoint

_POSITION_COLUMNS = (
    *("letter", "run", "name", "phase", "epoch", "epoch_of_run", "global_step"),
    *("training_seconds", "epochs_from_unfreeze"),
)


def table_csv(runs: Sequence[ComparedRun]) -> str:
    """Return the table as CSV: a column per run, a row per result, then one per config key.

    Results are plain numbers: accuracies from 0 to 1, times in seconds.
    """
    rows: list[Sequence[object]] = [
        ["run", "name", "", "", *(run.name for run in runs)],
        ["run", "status", "", "", *(run.status for run in runs)],
    ]
    rows += [
        ["result", row.key, row.goal, " ".join(_winners(row, runs)), *row.values]
        for row in results(runs)
    ]
    rows += [["config", row.key, "", "", *row.texts] for row in config_differences(runs)]
    return csv_table(["kind", "key", "goal", "winner", *(run.id for run in runs)], rows)


def _winners(row: ComparisonRow, runs: Sequence[ComparedRun]) -> list[str]:
    return [run.id for run, won in zip(runs, row.winners, strict=True) if won]


_LATER = ("macro_f1", "balanced_accuracy")
"""Columns added since programs first read these files: the last ones, so that theirs don't move."""


def curves_csv(runs: Sequence[ComparedRun]) -> str:
    """Return the curves as CSV: a row per epoch of a run, with every x axis and every figure."""
    values = _epoch_values()
    columns = [*_POSITION_COLUMNS, *(value.column for value in values)]
    return csv_table(columns, (row for run in runs for row in _epoch_rows(run, values)))


def _epoch_values() -> list[EpochValue]:
    """Return the values in the order of their columns: the pairs of train and val figures first."""
    pairs = [figure for figure in FIGURES.values() if figure.val]
    rest = [figure for figure in FIGURES.values() if not figure.val]
    values = [
        *(figure.train for figure in pairs),
        *(figure.val for figure in pairs),
        *(figure.train for figure in rest),
    ]
    known = [value for value in values if value]
    return sorted(known, key=lambda value: value.column in _LATER)  # sorting is stable


def _epoch_rows(run: ComparedRun, values: Sequence[EpochValue]) -> Iterator[Sequence[object]]:
    seconds = 0.0
    for point in run.epochs:
        seconds += point.result.seconds
        yield [*_position(run, point, seconds), *(value.read(point.result) for value in values)]


def _position(run: ComparedRun, point: EpochPoint, seconds: float) -> Sequence[object]:
    result = point.result
    from_unfreeze = None if run.unfreeze is None else point.x - run.unfreeze
    return [
        *(run.letter, run.id, run.name, result.phase, result.epoch, point.number),
        *(result.global_step, seconds, from_unfreeze),
    ]


def to_plain(runs: Sequence[ComparedRun]) -> dict[str, Any]:
    """Return the table as plain values; non-finite numbers become text."""
    return {
        "runs": [
            {
                "id": run.id,
                "name": run.name,
                "status": run.status,
                "letter": run.letter,
                "changes_by_hand": list(run.commands),
            }
            for run in runs
        ],
        "results": [
            {
                "key": row.key,
                "goal": row.goal,
                "values": [_plain(value) for value in row.values],
                "winners": _winners(row, runs),
            }
            for row in results(runs)
        ],
        "config": {row.key: list(row.texts) for row in config_differences(runs)},
    }


def _plain(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)
