"""Evaluations of several runs as one: those of the folds of a study, whose images differ."""

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from core.events.evaluation_parts import Confusion
from core.events.types import Evaluated


def summed(events: Sequence[Evaluated]) -> Evaluated | None:
    """Return the sum of evaluations with equal numbers of classes; None without any."""
    size = max((len(event.support) for event in events), default=0)
    fitting = [event for event in events if len(event.support) == size]
    if not fitting:
        return None
    confused: Counter[tuple[int, int]] = Counter()
    for event in fitting:
        for truth, predicted, count in event.confusions:
            confused[truth, predicted] += count
    return _evaluated(
        [_total(size, [event.support for event in fitting]),
         _total(size, [event.predicted for event in fitting]),
         _total(size, [event.correct for event in fitting])],
        confused,
        sum(event.confusions_left_out for event in fitting),
    )  # fmt: skip


def out_of_fold_evaluation(file: Path) -> tuple[Evaluated, tuple[str, ...]] | None:
    """Return the evaluation of the predictions in an `out_of_fold.csv`, and the names of the
    classes; None if the file can't be read."""
    from core.study.out_of_fold import COLUMNS, PROBABILITY  # it imports numpy

    at_label, at_predicted = COLUMNS.index("label"), COLUMNS.index("predicted")
    confused: Counter[tuple[int, int]] = Counter()
    try:
        with file.open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
            rows = csv.reader(lines)
            names = tuple(n.removeprefix(PROBABILITY) for n in next(rows)[len(COLUMNS) :])
            numbers = {name: number for number, name in enumerate(names)}
            for row in rows:
                if row[at_predicted]:
                    confused[numbers[row[at_label]], numbers[row[at_predicted]]] += 1
    except (OSError, ValueError, KeyError, IndexError, StopIteration, csv.Error):
        return None
    size = len(names)
    support, predicted, correct = ([0] * size for _ in range(3))
    for (truth, found), count in confused.items():
        support[truth] += count
        predicted[found] += count
        correct[truth] += count if truth == found else 0
    return _evaluated([support, predicted, correct], confused, 0), names


def _total(size: int, lists: Sequence[Sequence[int]]) -> list[int]:
    return [sum(each[n] for each in lists if n < len(each)) for n in range(size)]


def _evaluated(
    counts: Sequence[list[int]], confused: Counter[tuple[int, int]], left_out: int
) -> Evaluated:
    support, predicted, correct = counts
    return Evaluated(
        phase="",
        epoch=0,
        support=support,
        predicted=predicted,
        correct=correct,
        confusions=[
            Confusion(truth, found, count)
            for (truth, found), count in confused.most_common()
            if truth != found
        ],
        confusions_left_out=left_out,
        calibration=[],
        mistakes=[],
    )
