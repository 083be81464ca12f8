"""Chart of a learning rate range test: loss over the learning rate, on a logarithmic x axis."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.analysis.lr_range import rounded
from core.common import format as fmt
from tui.charts.spec import (
    BEST_SYMBOL,
    LR_SYMBOL,
    Band,
    ChartSpec,
    Curve,
    PlotSymbol,
    Point,
    Tick,
)
from tui.preferences.palettes import DARK, Palette

if TYPE_CHECKING:
    from core.session.lr_find import LrRangeTest

CONFIGURED_SYMBOL = "▲"
_TICKS_PER_DECADE = (1, 2, 5)


def chart(test: "LrRangeTest", palette: Palette = DARK) -> ChartSpec:
    """Return the chart: single losses as dots, their average as a line, and marked rates."""
    curve, found = test.curve, test.suggestion
    rates = curve.rates
    average = _points(rates, curve.smoothed)
    highest = max(curve.smoothed)
    dots = [(x, y) for x, y in _points(rates, curve.losses) if y <= highest]
    symbols = [PlotSymbol(math.log10(test.configured), CONFIGURED_SYMBOL, palette.val)]
    for rate, symbol, color in (
        (found.rate, BEST_SYMBOL, palette.best),
        (found.steepest, LR_SYMBOL, palette.marker),
    ):
        if rate is not None:
            x = math.log10(rate)
            symbols.append(PlotSymbol(x, symbol, color, y=_value_at(average, x)))
    return ChartSpec(
        curves=[
            Curve(dots, palette.faint, "cloud", is_background=True, labeled=False),
            Curve(average, labeled=False),
        ],
        symbols=symbols,
        bands=[] if found.rate is None else [Band(math.log10(found.rate), "suggested")],
        start=math.log10(rates[0]),
        end=max(math.log10(rates[-1]), math.log10(rates[0]) + 1e-9),
        ticks=_ticks(rates[0], rates[-1]),
        full=True,  # the loss also where it diverges
        text=fmt.loss,
    )


def legend(test: "LrRangeTest") -> str:
    """Return the legend of the marked rates."""
    found = test.suggestion
    parts = [
        (BEST_SYMBOL, "suggested", found.rate),
        (LR_SYMBOL, "steepest descent", found.steepest),
        (CONFIGURED_SYMBOL, "configured", test.configured),
    ]
    return "   ".join(
        f"{symbol} {name} {rounded(rate) if rate != test.configured else fmt.rate(rate)}"
        for symbol, name, rate in parts
        if rate is not None
    )


def _points(rates: Sequence[float], values: Sequence[float]) -> list[Point]:
    return [(math.log10(rate), value) for rate, value in zip(rates, values, strict=True)]


def _value_at(points: Sequence[Point], x: float) -> float:
    """Return the value of the point next to `x`."""
    return min(points, key=lambda point: abs(point[0] - x))[1]


def _ticks(low: float, high: float) -> list[Tick]:
    """Return ticks at powers of ten, and between them where fewer than three are visible."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = range(first, last + 1)
    rates = [10.0**decade for decade in decades]
    if sum(low <= rate <= high for rate in rates) < 3:
        rates = [step * 10.0**decade for decade in decades for step in _TICKS_PER_DECADE]
    return [Tick(math.log10(rate), f"{rate:.0e}".replace("e-0", "e-")) for rate in rates]
