"""Charts of a sweep: its objective by each swept key, and the best one so far over the trials."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.common.nested import yaml_text
from core.common.text import printable
from core.study.state import FINISHED, MemberState
from core.study.sweep.objective import Objective
from core.study.sweep.ranges import SweptKey
from tui.charts.scale import axis_label, round_values
from tui.charts.scatter import Emphasis, ScatterAxis, ScatterPoint, ScatterSpec, fit_axes
from tui.charts.spec import (
    BEST_SYMBOL,
    VAL_SYMBOL,
    ChartSpec,
    Curve,
    LegendItem,
    PlotSymbol,
    Point,
    Tick,
)
from tui.preferences.palettes import Color, Palette
from tui.text.symbols import SYMBOLS

_PERCENT = 0.01
_ANY_SIZE = (80, 24)
_SCALES = ("auto", "log", "linear")


@dataclass(frozen=True, slots=True)
class KeyView:
    """What a scatter chart of a sweep shows."""

    index: int = 0
    """Number of the swept key on the x axis."""
    scale: str = "auto"
    """Of the x axis; `auto` is that of the key's range."""

    def next_scale(self) -> "KeyView":
        """Return the view with the next scale of the x axis."""
        return replace(self, scale=_SCALES[(_SCALES.index(self.scale) + 1) % len(_SCALES)])

    def key(self, keys: Sequence[SweptKey]) -> SweptKey:
        """Return the key on the x axis."""
        return keys[self.index % len(keys)]


def key_scatter(
    members: Sequence[MemberState],
    keys: Sequence[SweptKey],
    objective: Objective,
    view: KeyView,
    palette: Palette,
    best: int,
    selected: int,
) -> ScatterSpec:
    """Return the objective of each trial by the value of a key. `best` and `selected` are numbers
    of trials; trials that are not finished are in another color, with their symbol."""
    key = view.key(keys)
    points = [
        ScatterPoint(
            _position(key, member),
            member.objective if member.objective is not None else math.nan,
            _label(member, best, selected),
            _color(member, palette, best, selected),
            _emphasis(member.member.number, best, selected),
        )
        for member in members
        if member.run is not None and member.objective is not None
    ]
    scale = view.scale if view.scale != "auto" else "log" if key.is_log else "linear"
    if key.is_categorical and not _numbers(key):
        scale = "linear"
    unit = _PERCENT if is_percent(objective) else 1.0
    spec = ScatterSpec(
        points,
        ScatterAxis(scale=scale),
        ScatterAxis(unit=unit),
        noun="trial",
        empty="the first points follow the first epoch of a trial",
    )
    axes = fit_axes(spec, *_ANY_SIZE)
    notes = ["in %"] if is_percent(objective) else []
    y_title = f"{objective.label} ({', '.join(notes)})" if notes else objective.label
    return replace(
        spec,
        x=replace(spec.x, title=_key_title(key, axes.x.log)),
        y=replace(spec.y, title=y_title),
    )


def is_percent(objective: Objective) -> bool:
    """Return whether the objective is an accuracy."""
    return objective.text(0.5).endswith("%")


def _numbers(key: SweptKey) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool)
               for value in key.choices)  # fmt: skip


def _position(key: SweptKey, member: MemberState) -> float:
    value = member.member.values.get(key.key)
    if key.is_categorical and not _numbers(key):
        texts = [yaml_text(choice) for choice in key.choices]
        return float(texts.index(yaml_text(value)) + 1) if yaml_text(value) in texts else math.nan
    return float(value) if isinstance(value, int | float) else math.nan


def _key_title(key: SweptKey, log: bool) -> str:
    name = printable(key.key)
    if key.is_categorical and not _numbers(key):
        choices = " · ".join(f"{n} {yaml_text(c)}" for n, c in enumerate(key.choices, 1))
        return f"{name}: {printable(choices)}"
    return f"{name} (log)" if log else name


def _label(member: MemberState, best: int, selected: int) -> str:
    number = member.member.number
    shown = str(number) if number in (best, selected) else ""
    if number == best:
        return shown + BEST_SYMBOL
    return shown + (SYMBOLS.get(member.status, "") if member.status != FINISHED else "")


def scatter_legend(members: Sequence[MemberState], own: str) -> list[LegendItem]:
    """Return the legend of a scatter chart: `own`, the best trial, and the symbols of trials that
    are drawn without being finished."""
    drawn = dict.fromkeys(
        member.status
        for member in members
        if member.run is not None and member.objective is not None and member.status != FINISHED
    )
    statuses = [LegendItem(f"{SYMBOLS.get(name, '')} {name}".strip()) for name in drawn]
    return [LegendItem(own), LegendItem(f"{BEST_SYMBOL} best"), *statuses]


def _color(member: MemberState, palette: Palette, best: int, selected: int) -> Color:
    if member.member.number == selected:
        return palette.val
    if member.member.number == best:
        return palette.best
    return palette.train if member.status == FINISHED else palette.marker


def _emphasis(number: int, best: int, selected: int) -> Emphasis:
    return "selected" if number == selected else "best" if number == best else ""


def best_so_far_chart(
    members: Sequence[MemberState],
    found: Sequence[tuple[int, float]],
    objective: Objective,
    palette: Palette,
) -> ChartSpec:
    """Return the best objective up to each trial, as a staircase, and the objective of each."""
    trials = [
        (float(m.member.number), m.objective)
        for m in members
        if m.status == FINISHED and m.objective is not None
    ]
    steps: list[Point] = []
    for number, value in found:
        if steps and value != steps[-1][1]:
            steps.append((float(number), steps[-1][1]))
        steps.append((float(number), value))
    end = max((x for x, _ in trials), default=1.0)
    end = max(end, 2.0)
    if steps:
        steps.append((end, steps[-1][1]))
    values = [value for value in round_values(1.0, end, 8) if value == int(value)]
    return ChartSpec(
        curves=[
            Curve(trials, palette.train, "cloud", labeled=False),
            Curve(steps, palette.best, leading=False, name="best"),
        ],
        symbols=[PlotSymbol(x, VAL_SYMBOL, palette.train, y) for x, y in trials],
        start=1.0,
        end=end,
        ticks=[Tick(x, axis_label(x, values)) for x in values],
        y_unit=_PERCENT if is_percent(objective) else 1.0,
        text=objective.text,
        names_from=60,
        full=True,
        bad=palette.bad,
        empty="the first point follows the first finished trial",
    )
