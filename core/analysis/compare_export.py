"""A comparison for other programs: the table and the curves as CSV, all of it as plain values."""

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

from core.analysis.compare import ComparedRun, Row, differences, results

_COLUMNS = (
    *("letter", "run", "name", "phase", "epoch", "epoch_of_run", "global_step"),
    *("training_seconds", "epochs_from_unfreeze"),
    *("train_loss", "train_top1", "val_loss", "val_top1", "val_top5", "lr", "images_per_second"),
)
_OF_RESULT = _COLUMNS[9:]


def table_csv(runs: Sequence[ComparedRun]) -> str:
    """Return the table: a line a figure, then a line a configuration key, a column a run.

    Figures are plain numbers: accuracies from 0 to 1, times in seconds.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["kind", "key", "goal", "winner", *(run.id for run in runs)])
    writer.writerow(["run", "name", "", "", *(run.name for run in runs)])
    writer.writerow(["run", "status", "", "", *(run.status for run in runs)])
    for row in results(runs):
        values = ["" if value is None else value for value in row.values]
        writer.writerow(["result", row.key, row.goal, _winner(row, runs), *values])
    for row in differences(runs):
        writer.writerow(["config", row.key, "", "", *row.texts])
    return text.getvalue()


def _winner(row: Row, runs: Sequence[ComparedRun]) -> str:
    return " ".join(run.id for run, won in zip(runs, row.winners, strict=True) if won)


def curves_csv(runs: Sequence[ComparedRun]) -> str:
    """Return the curves: a line an epoch of a run, with every x axis and every figure."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for run in runs:
        seconds = 0.0
        for point in run.epochs:
            result = point.result
            seconds += result.seconds
            unfrozen = "" if run.unfreeze is None else point.x - run.unfreeze
            writer.writerow(
                [
                    *(run.letter, run.id, run.name, result.phase, result.epoch, point.x),
                    *(result.global_step, seconds, unfrozen),
                    *(getattr(result, name) for name in _OF_RESULT),
                ]
            )
    return text.getvalue()


def to_plain(runs: Sequence[ComparedRun]) -> dict[str, Any]:
    """Return the table as plain values; numbers that are not finite become text."""
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
                "winners": [run.id for run, won in zip(runs, row.winners, strict=True) if won],
            }
            for row in results(runs)
        ],
        "config": {row.key: list(row.texts) for row in differences(runs)},
    }


def _plain(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)
