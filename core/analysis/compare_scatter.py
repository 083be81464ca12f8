"""Values of compared runs that a scatter chart draws: numeric config keys and results."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.analysis.compare import ComparedRun, config_differences, results


@dataclass(frozen=True, slots=True)
class ScatterValue:
    """A value of each run; NaN where a run has none."""

    key: str
    label: str
    values: tuple[float, ...]
    texts: tuple[str, ...]
    winners: tuple[bool, ...]
    """Whether a run has the best value."""
    unit: str = ""
    unit_size: float = 1.0
    """Size of the unit: 0.01 for percent."""


def result_values(runs: Sequence[ComparedRun]) -> list[ScatterValue]:
    """Return the results that at least one run has, best val top-1 first."""
    found = []
    for row in results(runs):
        values = tuple(math.nan if value is None else value for value in row.values)
        if any(map(math.isfinite, values)):
            found.append(
                ScatterValue(
                    row.key, row.label, values, row.texts, row.winners, row.unit, row.unit_size
                )
            )
    return found


def differing_values(runs: Sequence[ComparedRun]) -> list[ScatterValue]:
    """Return the numeric config keys that differ, learning rates first and the seed last, then the
    results that differ."""
    found = []
    for row in config_differences(runs):
        values = tuple(map(_number, row.texts))
        if _differ(values):
            found.append(ScatterValue(row.key, row.label, values, row.texts, row.winners))
    found.sort(key=lambda each: (each.key == "seed", each.key.rpartition(".")[2] != "lr"))
    return [*found, *(result for result in result_values(runs) if _differ(result.values))]


def _differ(values: Sequence[float]) -> bool:
    return len({value for value in values if math.isfinite(value)}) > 1


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
