"""Export of compared groups of runs: statistics as CSV, and as plain values for JSON."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from core.common.tables import csv_table
from core.study.run_groups import GroupResult, RunGroup, group_config, group_results
from core.study.statistics import Difference

_COLUMNS = (
    *("key", "goal", "letter", "group", "n", "planned", "mean", "std", "low", "high"),
    *("compared_with", "difference", "difference_low", "difference_high", "level"),
    *("p_value", "paired", "comparisons", "verdict"),
)
Verdicts = Callable[[GroupResult], list[str]]


def groups_csv(groups: Sequence[RunGroup]) -> str:
    """Return the statistics as CSV: a row per result and group, compared with the best group.

    Values are plain numbers: accuracies from 0 to 1, times in seconds. `low` and `high` are the 95%
    interval of the mean; the difference is that of the best group minus this one.
    """
    rows = [row for result in group_results(groups) for row in _rows(result, groups)]
    return csv_table(_COLUMNS, rows)


def _rows(result: GroupResult, groups: Sequence[RunGroup]) -> list[Sequence[object]]:
    rows: list[Sequence[object]] = []
    each = zip(groups, result.samples, result.summaries, result.ranking.differences, strict=True)
    for group, sample, summary, difference in each:
        compared = _compared(difference)
        rows.append(
            [
                *(result.row.key, result.row.goal, group.letter, group.name),
                *(summary.n, len(sample.results)),
                *(summary.mean, summary.std, summary.low, summary.high),
                *compared.values(),
            ]
        )
    return rows


def _compared(difference: Difference | None) -> dict[str, object]:
    keys = ("a", "value", "low", "high", "level", "p_value", "paired", "comparisons", "verdict")
    if difference is None:
        return dict.fromkeys(keys)
    return {
        "a": difference.a.name,
        "value": difference.value,
        "low": difference.low,
        "high": difference.high,
        "level": None if difference.low is None else difference.level,
        "p_value": difference.p_value,
        "paired": difference.paired,
        "comparisons": difference.comparisons,
        "verdict": difference.verdict.value,
    }


def groups_to_plain(groups: Sequence[RunGroup], key: str, verdicts: Verdicts) -> dict[str, Any]:
    """Return the comparison as plain values; non-finite numbers become text.

    `verdicts` returns what a result shows, in words.
    """
    return {
        "group_by": key,
        "groups": [
            {
                "letter": group.letter,
                "name": group.name,
                "runs": [run.id for run in group.runs],
                "members": list(group.keys),
                "statuses": [run.status for run in group.runs],
                "repeated": list(group.repeated),
            }
            for group in groups
        ],
        "results": [_plain_result(result, verdicts) for result in group_results(groups)],
        "config": {each.key: list(map(list, each.values)) for each in group_config(groups)},
    }


def _plain_result(result: GroupResult, verdicts: Verdicts) -> dict[str, Any]:
    best = result.ranking.best
    return {
        "key": result.row.key,
        "goal": result.row.goal,
        "groups": [
            {
                "letter": sample.name,
                "values": [_plain(member.value) for member in sample.results],
                "n": summary.n,
                "without_result": list(summary.missing),
                "mean": _plain(summary.mean),
                "std": _plain(summary.std),
                "low": _plain(summary.low),
                "high": _plain(summary.high),
            }
            for sample, summary in zip(result.samples, result.summaries, strict=True)
        ],
        "best": None if best is None else result.samples[best].name,
        "differences": [
            {"b": each.b.name, "n": list(each.n)}
            | {name: _plain(value) for name, value in _compared(each).items()}
            for each in result.ranking.differences
            if each
        ],
        "verdicts": verdicts(result) if result.row.goal else [],
    }


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
