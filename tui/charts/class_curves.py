"""Chart of the accuracy of selected classes over epochs, with the mean of all classes."""

import math
from collections.abc import Callable, Sequence

from rich.cells import cell_len, set_cell_size

from core.common import format as fmt
from core.run.class_history import ClassAccuracies
from core.run.state import RunState
from tui.charts.run_charts import bands, epoch_ticks, thinned_ticks
from tui.charts.spec import ChartSpec, Curve
from tui.charts.view import ChartView, run_end
from tui.preferences.palettes import Palette

TITLE = "Accuracy per class over epochs (%)"
_NAME_CELLS = 14


def class_chart(
    state: RunState, labels: Sequence[int], name: Callable[[int], str], palette: Palette
) -> ChartSpec:
    """Return the chart of classes, the most important first; `name` returns a class's name, free
    of control characters."""
    passes = _positioned(state)
    mean = [(x, done.mean) for x, done in passes]
    colors = (palette.val, palette.marker)
    # The first class is drawn last, above the others.
    curves = [Curve(_known(mean), palette.train, name="mean")]
    for label, color in reversed(list(zip(labels, colors, strict=False))):
        points = _known([(x, done.accuracy(label)) for x, done in passes])
        curves.append(Curve(points, color, "marked", name=_short(name(label))))
    return ChartSpec(
        curves=curves,
        bands=bands(state, ChartView()),
        end=run_end(state),
        ticks=thinned_ticks(epoch_ticks(state)),
        y_unit=0.01,
        y_max=1.0,
        full=True,
        text=_percent,
        bad=palette.bad,
        empty="no validation images of this class",
    )


def missing_text(state: RunState) -> str:
    """Return how many epochs lack per-class results; empty if none does."""
    recorded = state.evaluations.history.recorded
    # The result of an epoch follows its end.
    if recorded + 1 >= len(state.epochs):
        return ""
    return f"recorded for {recorded} of {fmt.counted(len(state.epochs), 'epoch')}"


def _positioned(state: RunState) -> list[tuple[float, ClassAccuracies]]:
    """Return the validation passes with their positions on the x axis."""
    at = {(point.result.phase, point.result.epoch): point.x for point in state.epochs}
    passes = state.evaluations.history.passes
    return [(at[p.phase, p.epoch], p) for p in passes if (p.phase, p.epoch) in at]


def _known(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [point for point in points if not math.isnan(point[1])]


def _short(name: str) -> str:
    if cell_len(name) <= _NAME_CELLS:
        return name
    return f"{set_cell_size(name, _NAME_CELLS - 1).rstrip()}…"


def _percent(value: float) -> str:
    return fmt.percent(value, 1)
