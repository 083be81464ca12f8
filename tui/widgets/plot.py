"""Drawing a chart as text: a pure function of its spec and size, made with plotext.

plotext keeps its figure in the module; only the thread that draws the screen may call `draw`.
Lines are braille dots, validation has a sign of its own: colour is never the only carrier.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotext
from rich.text import Text

Point = tuple[float, float]

# Okabe and Ito's colours, told apart with every kind of colour vision.
TRAIN_COLOUR = (86, 180, 233)
VAL_COLOUR = (230, 159, 0)
BEST_COLOUR = (0, 158, 115)
BAD_COLOUR = (213, 94, 0)
MARK_COLOUR = (204, 121, 167)

VAL_SIGN, VAL_DOT, BEST_SIGN, NAN_SIGN = "●", "·", "★", "×"
COMMAND_SIGN, WARNING_SIGN, PHASE_SIGN = "▼", "!", "┊"
_LOG_RATIO = 50.0
_SMALLEST = (12, 4)


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled place on the x axis."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Boundary:
    """Where a phase begins, and the names on either side."""

    x: float
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class ChartSpec:
    """What a chart shows. Values that are not finite become marks, wherever they stand."""

    train: Sequence[Point] = ()
    """A line; several points may share an x, so that the extremes of a bucket stay."""
    val: Sequence[Point] = ()
    """One point an epoch."""
    best: Point | None = None
    nan_x: Sequence[float] = ()
    """Further places where a value was not finite."""
    boundaries: Sequence[Boundary] = ()
    commands: Sequence[float] = ()
    warnings: Sequence[float] = ()
    x_end: float = 1.0
    ticks: Sequence[Tick] = ()
    names_below: bool = False
    """Phase names stand low in the chart: where the curves end high."""
    y_limits: tuple[float, float] | None = None
    """Widest range; the chart shows what of it is used."""
    y_unit: float = 1.0
    """What the labels of the y axis count in: 0.01 for percent."""
    log: bool = False
    """Logarithmic where the values span more than a factor of 50."""
    empty: str = "no data yet"


def draw(spec: ChartSpec, width: int, height: int) -> Text:
    """Return the chart as exactly `height` lines of at most `width` cells."""
    if width <= 0 or height <= 0:
        return Text()
    clean = _cleaned(spec)
    values = [y for _, y in [*clean.train, *clean.val]]
    if width < _SMALLEST[0] or height < _SMALLEST[1]:
        return _message("", width, height)
    if not values and not clean.nan_x:
        return _message(spec.empty, width, height)
    scale = _Scale.fit(values or [0.0, 1.0], spec)
    text = _plot(spec, clean, scale, width, height)
    return _exactly(text, width, height)


def is_log(spec: ChartSpec) -> bool:
    """Whether `draw` uses a logarithmic axis, so that a title can say so."""
    clean = _cleaned(spec)
    return spec.log and _spans([y for _, y in [*clean.train, *clean.val]])


def thin(points: Sequence[Point], columns: int, end: float) -> list[Point]:
    """Return at most two points a column, the lowest and the highest, in their order."""
    if columns <= 0 or len(points) <= 2:
        return list(points)
    slots: dict[int, list[tuple[int, Point]]] = {}
    for index, (x, y) in enumerate(points):
        column = min(columns - 1, max(0, int(x / end * columns))) if end > 0 else 0
        slots.setdefault(column, []).append((index, (x, y)))
    kept: list[tuple[int, Point]] = []
    for slot in slots.values():
        low, high = min(slot, key=_value), max(slot, key=_value)
        kept.extend({low[0]: low, high[0]: high}.values())
    return [point for _, point in sorted(kept)]


def _value(item: tuple[int, Point]) -> float:
    return item[1][1]


@dataclass(frozen=True, slots=True)
class _Clean:
    train: list[Point]
    val: list[Point]
    best: Point | None
    nan_x: list[float]
    end: float


def _cleaned(spec: ChartSpec) -> _Clean:
    """The one place where values that are not finite are taken out and become marks."""
    end = spec.x_end if math.isfinite(spec.x_end) and spec.x_end > 0 else 1.0
    bad = [x for x in spec.nan_x if math.isfinite(x)]
    kept: list[list[Point]] = []
    for points in (spec.train, spec.val):
        placed = [(x, y) for x, y in points if math.isfinite(x) and 0 <= x <= end]
        bad += [x for x, y in placed if not math.isfinite(y)]
        # The largest floats have no difference that is a float.
        kept.append([(x, max(-1e100, min(1e100, y))) for x, y in placed if math.isfinite(y)])
    best = spec.best
    if best and not (math.isfinite(best[1]) and 0 <= best[0] <= end):
        best = None
    return _Clean(kept[0], kept[1], best, sorted(x for x in set(bad) if 0 <= x <= end), end)


def _spans(values: Sequence[float]) -> bool:
    return bool(values) and min(values) > 1e-300 and max(values) / min(values) > _LOG_RATIO


@dataclass(frozen=True, slots=True)
class _Scale:
    """The y axis: its limits as drawn, and how a value gets there."""

    low: float
    high: float
    log: bool
    unit: float

    @staticmethod
    def fit(values: Sequence[float], spec: ChartSpec) -> "_Scale":
        log = spec.log and _spans(values)
        drawn = [math.log10(v) for v in values] if log else values
        low, high = min(drawn), max(drawn)
        margin = 0.05 * (high - low) or max(abs(high) * 0.05, 0.01)
        floor = 0.0 if low >= 0 and not log else -math.inf
        low, high = max(floor, low - margin), high + margin
        if spec.y_limits and not log:
            low, high = max(low, spec.y_limits[0]), min(high, spec.y_limits[1])
            if not low < high:
                low, high = spec.y_limits
        return _Scale(low, high, log, spec.y_unit)

    def place(self, value: float) -> float:
        """Return where on the axis a value stands, 0 to 1."""
        y = math.log10(max(value, 1e-300)) if self.log else value
        return min(1.0, max(0.0, (y - self.low) / (self.high - self.low)))

    def ticks(self, number: int) -> tuple[list[float], list[str]]:
        """Return the places of round values and their labels, with as many digits as needed."""
        values = _decades(self.low, self.high) if self.log else []
        if len(values) > 1:
            return [self.place(v) for v in values], [f"{v / self.unit:g}" for v in values]
        low, high = (10**y if self.log else y for y in (self.low, self.high))
        values = round_values(low, high, number)
        shown = [v / self.unit for v in values]
        return [self.place(v) for v in values], [axis_label(v, shown) for v in shown]


def axis_label(value: float, neighbours: Sequence[float]) -> str:
    """Return a value with the digits that tell it from its neighbours on the axis."""
    step = abs(neighbours[-1] - neighbours[0]) / max(1, len(neighbours) - 1)
    digits = -math.floor(math.log10(step) + 1e-9) if 0 < step < math.inf else 0
    if not -5 < digits < 6 or abs(value) >= 1e6:
        return f"{value:.2g}"
    return f"{value + 0.0:.{max(0, digits)}f}"


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten between two exponents, thinned to a handful."""
    exponents = range(math.ceil(low), math.floor(high) + 1)
    step = max(1, math.ceil(len(exponents) / 6))
    return [10.0**exponent for exponent in exponents[::step]]


def round_values(low: float, high: float, number: int) -> list[float]:
    """Return about `number` round values from low to high; the ends where none is round."""
    span = high - low
    if not 0 < span < math.inf:
        return [low]
    power = 10.0 ** math.floor(math.log10(span / number))
    step = next((m * power for m in (1, 2, 5, 10) if span / (m * power) <= number), span)
    first = math.ceil(low / step) if step else 0
    values = [(first + i) * step for i in range(number + 1)]
    inside = [value for value in values if low <= value <= high]
    return inside if len(inside) > 1 else [low, high]


# plotext gets all places as shares of the axes: its own arithmetic fails on extreme values.


def _plot(spec: ChartSpec, clean: _Clean, scale: _Scale, width: int, height: int) -> str:
    places, labels = scale.ticks(6 if height >= 14 else 4)
    columns = max(1, width - max(len(label) for label in labels) - 2)
    figure: Any = plotext
    figure.clear_figure()
    figure.theme("clear")
    figure.limit_size(False, False)  # the widget knows its room; plotext would ask a terminal
    figure.plot_size(width, height)
    figure.xlim(0, 1)
    figure.ylim(0, 1)
    figure.xaxes(True, False)
    figure.yaxes(True, False)
    figure.yticks(places, labels)
    ticks = _fitting(spec.ticks, clean.end, columns)
    figure.xticks([tick.x / clean.end for tick in ticks], [tick.label for tick in ticks])
    _boundaries(figure, spec, clean, height)
    _curves(figure, clean, scale, columns)
    _marks(figure, spec, clean, scale)
    return str(figure.build())


def _curves(figure: Any, clean: _Clean, scale: _Scale, columns: int) -> None:
    for points, marker, colour in (
        (thin(clean.train, columns, clean.end), "braille", TRAIN_COLOUR),
        (thin(clean.val, columns, clean.end), VAL_DOT, VAL_COLOUR),
    ):
        if points:
            add = figure.plot if len(points) > 1 else figure.scatter
            add(*_shares(points, clean, scale), marker=marker, color=colour)
    if clean.val:
        figure.scatter(*_shares(clean.val, clean, scale), marker=VAL_SIGN, color=VAL_COLOUR)


def _shares(
    points: Sequence[Point], clean: _Clean, scale: _Scale
) -> tuple[list[float], list[float]]:
    return [x / clean.end for x, _ in points], [scale.place(y) for _, y in points]


def _boundaries(figure: Any, spec: ChartSpec, clean: _Clean, height: int) -> None:
    ys = [i / (2 * height) for i in range(2 * height + 1)]
    names_y = 2 / height if spec.names_below else 1.0
    for boundary in spec.boundaries:
        if math.isfinite(boundary.x) and 0 < boundary.x < clean.end:
            x = boundary.x / clean.end
            figure.scatter([x] * len(ys), ys, marker=PHASE_SIGN)
            figure.text(f"{boundary.before} ", x, names_y, alignment="right")
            figure.text(f" {boundary.after}", x, names_y, alignment="left")


def _marks(figure: Any, spec: ChartSpec, clean: _Clean, scale: _Scale) -> None:
    for xs, y, sign, colour in (
        (spec.commands, 0.0, COMMAND_SIGN, MARK_COLOUR),
        (spec.warnings, 0.0, WARNING_SIGN, BAD_COLOUR),
        (clean.nan_x, 1.0, NAN_SIGN, BAD_COLOUR),
    ):
        shown = [x / clean.end for x in xs if math.isfinite(x) and 0 <= x <= clean.end]
        if shown:
            figure.scatter(shown, [y] * len(shown), marker=sign, color=colour)
    if clean.best:
        figure.scatter(*_shares([clean.best], clean, scale), marker=BEST_SIGN, color=BEST_COLOUR)


def _fitting(ticks: Sequence[Tick], end: float, columns: int) -> list[Tick]:
    """Leave out labels that would touch their neighbour."""
    kept: list[Tick] = []
    free = -1.0
    for tick in sorted(ticks, key=lambda tick: tick.x):
        column = tick.x / end * columns
        if 0 <= tick.x <= end and column - len(tick.label) / 2 > free:
            kept.append(tick)
            free = column + len(tick.label) / 2 + 1
    return kept


def _message(text: str, width: int, height: int) -> Text:
    lines = [""] * height
    if text and len(text) <= width:
        lines[height // 2] = text.center(width).rstrip()
    return Text("\n".join(lines), no_wrap=True)


def _exactly(drawn: str, width: int, height: int) -> Text:
    text = Text.from_ansi(drawn, no_wrap=True)
    lines = list(text.split("\n"))[:height]
    for line in lines:
        line.truncate(width)
    lines += [Text() for _ in range(height - len(lines))]
    return Text("\n").join(lines)
