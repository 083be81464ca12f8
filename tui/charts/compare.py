"""The chart of a comparison: from runs and the person's view to what is drawn. Pure."""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.analysis.compare import (
    ALIGNMENTS,
    CURVES,
    Alignment,
    ComparedRun,
    CurveKind,
    best_point,
    curve,
    unfreeze_x,
)
from core.common import format as fmt
from core.common.errors import SetupError
from core.common.text import printable
from tui.charts.plot import BEST_SIGN, Boundary, ChartSpec, Line, Sign, Tick
from tui.charts.scale import axis_label, is_log, round_values
from tui.charts.svg import SvgChart, SvgLine
from tui.preferences.palettes import LIGHT, Colour, Palette

UNFREEZE_SIGN = "▴"
SCALES = ("auto", "log", "linear")
_CLOSEST = 1 / 4000


@dataclass(frozen=True, slots=True)
class CompareView:
    """How a person looks at a comparison. Window and cursor count in the x axis's own unit."""

    curve: int = 0
    alignment: int = 0
    scale: str = "auto"
    window: tuple[float, float] | None = None
    """What is seen; None = all of it, whatever comes."""
    cursor: float | None = None

    @property
    def kind(self) -> CurveKind:
        """The figure that is drawn."""
        return CURVES[self.curve]

    @property
    def axis(self) -> Alignment:
        """What the x axis counts."""
        return ALIGNMENTS[self.alignment]

    def next_curve(self) -> "CompareView":
        """Draw the next figure; the part that is seen stays."""
        return replace(self, curve=(self.curve + 1) % len(CURVES))

    def next_axis(self) -> "CompareView":
        """Count the x axis in something else: all of it is seen again."""
        following = (self.alignment + 1) % len(ALIGNMENTS)
        return replace(self, alignment=following, window=None, cursor=None)

    def next_scale(self) -> "CompareView":
        """Draw the y axis in another way."""
        return replace(self, scale=SCALES[(SCALES.index(self.scale) + 1) % len(SCALES)])


def view_of(figure: str, axis: str) -> CompareView:
    """Return the view of a figure over an axis, by their keys; raises SetupError."""
    figures = [kind.key for kind in CURVES]
    if figure not in figures:
        known = ", ".join(figures)
        raise SetupError(f"no figure {printable(figure)!r}; there are {known}")
    axes = [alignment.key for alignment in ALIGNMENTS]
    return CompareView(curve=figures.index(figure), alignment=axes.index(axis))


Runs = Sequence[ComparedRun]


def extent(runs: Runs, view: CompareView) -> tuple[float, float]:
    """Return the whole of the x axis."""
    xs = [x for run in runs for x, _ in curve(run, view.kind, view.axis) if math.isfinite(x)]
    low = min([0.0, *xs]) if view.axis.key == "unfreeze" else 0.0
    high = max(xs, default=1.0)
    return low, high if high > low else low + 1.0


def seen(runs: Runs, view: CompareView) -> tuple[float, float]:
    """Return the part of the x axis that is seen."""
    return view.window or extent(runs, view)


def zoomed(
    runs: Runs, view: CompareView, factor: float, around: float | None = None
) -> CompareView:
    """Return the view with a window of `factor` times its size, around a place or the cursor."""
    low, high = extent(runs, view)
    start, end = seen(runs, view)
    size = max((high - low) * _CLOSEST, (end - start) * factor)
    if size >= high - low:
        return replace(view, window=None)
    middle = around if around is not None else view.cursor
    middle = (start + end) / 2 if middle is None else min(end, max(start, middle))
    first = middle - (middle - start) / (end - start) * size
    first = min(max(low, first), high - size)
    return replace(view, window=(first, first + size))


def panned(runs: Runs, view: CompareView, share: float) -> CompareView:
    """Return the view with its window moved by a share of its size."""
    if view.window is None:
        return view
    low, high = extent(runs, view)
    start, end = view.window
    shift = min(max(share * (end - start), low - start), max(0.0, high - end))
    return replace(view, window=(start + shift, end + shift))


def pointed(runs: Runs, view: CompareView, share: float) -> CompareView:
    """Return the view with its cursor at a share (0 to 1) of what is seen."""
    start, end = seen(runs, view)
    return replace(view, cursor=start + min(1.0, max(0.0, share)) * (end - start))


def moved(runs: Runs, view: CompareView, columns: int, by: int) -> CompareView:
    """Return the view with its cursor moved by columns of the chart; it comes in at an end."""
    start, end = seen(runs, view)
    if view.cursor is None:
        return replace(view, cursor=end if by < 0 else start)
    target = view.cursor + by * (end - start) / max(1, columns - 1)
    return replace(view, cursor=min(end, max(start, target)))


def whole(view: CompareView) -> CompareView:
    """Return the view of everything, without a cursor."""
    return replace(view, window=None, cursor=None)


def chart(runs: Runs, view: CompareView, palette: Palette) -> ChartSpec:
    """Return the chart of the runs' curves."""
    start, end = seen(runs, view)
    lines, signs = [], []
    for number, run in enumerate(runs):
        colour = colour_of(run, palette)
        points = curve(run, view.kind, view.axis)
        lines.append(Line(points, colour))
        best = best_point(run, view.kind, view.axis)
        if best:
            signs.append(Sign(best[0], BEST_SIGN, colour, best[1]))
        begins = unfreeze_x(run, view.axis)
        if begins is not None and view.axis.key != "unfreeze":
            signs.append(Sign(begins, UNFREEZE_SIGN, colour))
        visible = [p for p in points if start <= p[0] <= end and math.isfinite(p[1])]
        signs += _letters(run.letter, colour, visible, (number + 1) / (len(runs) + 1))
    values = round_values(start, end, 8)
    return ChartSpec(
        lines=lines,
        signs=signs,
        boundaries=[Boundary(0.0, "head", "full")] if view.axis.key == "unfreeze" else [],
        start=start,
        end=end,
        cursor=view.cursor,
        ticks=[Tick(x, axis_label(x, values)) for x in values],
        names_below=view.kind.limits is not None,
        y_limits=view.kind.limits,
        y_unit=view.kind.in_unit,
        scale=_scale(view),
        bad=palette.bad,
        empty="the first points come with the first epoch",
    )


def _letters(
    letter: str, colour: Colour, points: Sequence[tuple[float, float]], share: float
) -> list[Sign]:
    """Return a run's letter on its line: at its beginning, and at another place than the letters of
    other runs, which may lie on the same line."""
    if not points:
        return []
    places = {points[int(share * (len(points) - 1))], points[0]}
    return [Sign(x, letter, colour, y) for x, y in sorted(places)]


def _scale(view: CompareView) -> str:
    return view.kind.scale if view.scale == "auto" else view.scale


def colour_of(run: ComparedRun, palette: Palette) -> Colour:
    """Return a run's colour."""
    return palette.runs[run.colour % len(palette.runs)]


def title(view: CompareView, log: bool) -> str:
    """Return the chart's title: what it shows, over what."""
    about = [f"in {view.kind.unit}"] if view.kind.unit else []
    about += ["log"] if log else []
    name = f"{view.kind.label} ({', '.join(about)})" if about else view.kind.label
    return f"{name} over {view.axis.label}"


def legend(runs: Runs, view: CompareView) -> str:
    """Return what the signs of the chart mean; rare signs only where they occur."""
    parts = []
    if view.kind.figure and any(run.best for run in runs):
        parts.append(f"{BEST_SIGN} best epoch")
    if view.axis.key != "unfreeze" and any(run.unfreeze is not None for run in runs):
        parts.append(f"{UNFREEZE_SIGN} unfreeze")
    return "  ".join(parts)


def readout(runs: Runs, view: CompareView) -> str:
    """Return each run's value at the cursor; empty without one."""
    if view.cursor is None:
        return ""
    shown = [f"{run.letter} {value_text(view.kind, _at(run, view))}" for run in runs]
    return f"{view.axis.label} {view.cursor:.4g}:  " + "   ".join(shown)


def _at(run: ComparedRun, view: CompareView) -> float | None:
    """Return the last value up to the cursor."""
    points = curve(run, view.kind, view.axis)
    place = bisect_right([x for x, _ in points], (view.cursor or 0.0) + 1e-9)
    return points[place - 1][1] if place else None


def value_text(kind: CurveKind, value: float | None) -> str:
    """Return a value of a curve with its unit."""
    if value is None:
        return fmt.NONE
    if kind.limits:
        return fmt.percent(value)
    if not math.isfinite(value):
        return str(value)
    if kind.key == "memory":
        return fmt.size(value)
    if kind.unit:
        return f"{value / kind.in_unit:,.0f} {kind.unit}"
    return fmt.rate(value) if kind.key == "lr" else fmt.loss(value)


def svg(runs: Runs, view: CompareView) -> SvgChart:
    """Return the chart as it is to be exported: on white."""
    start, end = seen(runs, view)
    lines = []
    names = Counter(run.name for run in runs)
    for run in runs:
        points = [point for point in curve(run, view.kind, view.axis) if start <= point[0] <= end]
        red, green, blue = colour_of(run, LIGHT)
        lines.append(
            SvgLine(
                printable(run.name if names[run.name] == 1 else f"{run.name} ({run.id})"),
                run.letter,
                f"#{red:02x}{green:02x}{blue:02x}",
                points,
                unfreeze_x(run, view.axis),
            )
        )
    values = [y for line in lines for _, y in line.points if math.isfinite(y)]
    log = is_log(values, _scale(view))
    return SvgChart(title(view, log), view.axis.label, lines, log, view.kind.in_unit)
