"""Scatter chart of a comparison: a point per run, a config key or result on x, a result on y."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.analysis.compare import ComparedRun
from core.analysis.compare_scatter import ScatterValue, differing_values, result_values
from core.common.text import printable
from tui.charts.compare import run_color
from tui.charts.scatter import ScatterAxis, ScatterPoint, ScatterSpec, fit_axes
from tui.charts.spec import BEST_SYMBOL, LegendItem
from tui.preferences.palettes import Palette

_SCALES = (("auto", "linear"), ("log", "linear"), ("linear", "linear"), ("auto", "log"))
"""Scales of the x and the y axis."""
_ANY_SIZE = (80, 24)

Runs = Sequence[ComparedRun]


@dataclass(frozen=True, slots=True)
class ScatterView:
    """What a scatter chart of runs shows."""

    x: str = ""
    """Key of the value on the x axis; empty for the first one that differs."""
    y: str = "best_val_top1"
    scales: tuple[str, str] = _SCALES[0]
    selected: str = ""
    """Id of the run that is described."""

    def next_x(self, runs: Runs) -> "ScatterView":
        """Return the view of the next value that differs between the runs, on the x axis."""
        return replace(self, x=_next(_x_values(runs, self), _x_value(runs, self)))

    def next_y(self, runs: Runs) -> "ScatterView":
        """Return the view of the next result, on the y axis."""
        return replace(self, y=_next(result_values(runs), _y_value(runs, self)))

    def next_scales(self) -> "ScatterView":
        """Return the view with the next scales of its axes."""
        return replace(self, scales=_SCALES[(_SCALES.index(self.scales) + 1) % len(_SCALES)])

    def select(self, runs: Runs, by: int) -> "ScatterView":
        """Return the view with the next run selected, in the order of the x axis."""
        x = _x_value(runs, self)
        if x is None or not runs:
            return self
        order = sorted(
            (not math.isfinite(value), value if math.isfinite(value) else 0.0, run.letter, run.id)
            for run, value in zip(runs, x.values, strict=True)
        )
        ids = [id for *_, id in order]
        if self.selected not in ids:
            return replace(self, selected=ids[0 if by > 0 else -1])
        index = min(len(ids) - 1, max(0, ids.index(self.selected) + by))
        return replace(self, selected=ids[index])


def _next(values: Sequence[ScatterValue], current: ScatterValue | None) -> str:
    keys = [value.key for value in values]
    if current is None or not keys:
        return ""
    return keys[(keys.index(current.key) + 1) % len(keys)]


def _x_values(runs: Runs, view: ScatterView) -> list[ScatterValue]:
    y = _y_value(runs, view)
    return [value for value in differing_values(runs) if y is None or value.key != y.key]


def _x_value(runs: Runs, view: ScatterView) -> ScatterValue | None:
    values = _x_values(runs, view)
    return next((value for value in values if value.key == view.x), values[0] if values else None)


def _y_value(runs: Runs, view: ScatterView) -> ScatterValue | None:
    values = result_values(runs)
    return next((value for value in values if value.key == view.y), values[0] if values else None)


def scatter_chart(runs: Runs, view: ScatterView, palette: Palette) -> ScatterSpec:
    """Return the chart of the runs."""
    x, y = _x_value(runs, view), _y_value(runs, view)
    if y is None or not any(run.epochs for run in runs):
        return ScatterSpec(empty="the first results follow the first epoch")
    if x is None:
        return ScatterSpec(empty="no numeric config key or result differs between these runs")
    points = [
        ScatterPoint(
            x.values[n],
            y.values[n],
            f"{run.letter}{BEST_SYMBOL}" if y.winners[n] else run.letter,
            run_color(run, palette),
            "selected" if run.id == view.selected else "best" if y.winners[n] else "",
        )
        for n, run in enumerate(runs)
    ]
    spec = ScatterSpec(
        points,
        ScatterAxis(scale=view.scales[0], unit=x.unit_size),
        ScatterAxis(scale=view.scales[1], unit=y.unit_size),
        noun="run",
    )
    # Whether an axis is logarithmic does not depend on the size of the chart.
    axes = fit_axes(spec, *_ANY_SIZE)
    return replace(
        spec,
        x=replace(spec.x, title=_axis_title(x, axes.x.log)),
        y=replace(spec.y, title=_axis_title(y, axes.y.log)),
    )


def _axis_title(value: ScatterValue, log: bool) -> str:
    notes = [f"in {value.unit}"] if value.unit else []
    notes += ["log"] if log else []
    label = printable(value.label)
    return f"{label} ({', '.join(notes)})" if notes else label


def scatter_title(runs: Runs, view: ScatterView) -> str:
    """Return the title of the chart."""
    x, y = _x_value(runs, view), _y_value(runs, view)
    return f"{y.label} by {printable(x.label)}" if x and y else "results by config key"


def scatter_legend(runs: Runs, view: ScatterView) -> list[LegendItem]:
    """Return the legend: the key of the other chart, and the best run, if there is one."""
    y = _y_value(runs, view)
    best = [LegendItem(f"{BEST_SYMBOL} best")] if y and any(y.winners) else []
    return [LegendItem("s curves │"), *best]


def scatter_readout(runs: Runs, view: ScatterView) -> str:
    """Return the values of the selected run; empty without one."""
    x, y = _x_value(runs, view), _y_value(runs, view)
    for n, run in enumerate(runs):
        if run.id == view.selected and x and y:
            values = [f"{value.label} {value.texts[n]}" for value in (x, y)]
            return printable(f"{run.letter} {run.name}: {' · '.join(values)}")
    return ""
