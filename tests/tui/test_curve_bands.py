"""A band is where its curves are: the drawn dots are decoded and compared with them."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.color import Color as RichColor

from tests.tui.test_canvas import dots_of
from tui.charts.canvas import GLYPHS, columns_of
from tui.charts.draw import Drawing, draw
from tui.charts.group_compare import mean_and_band
from tui.charts.spec import ChartSpec, Curve, CurveBand, visible_part
from tui.charts.y_axis import Values, fit_axis
from tui.preferences.palettes import DARK, rgb

Curves = list[list[tuple[float, float]]]


@st.composite
def many_curves(draw_: st.DrawFn) -> Curves:
    """Curves of runs of different lengths, some with a gap."""
    rng = random.Random(draw_(st.integers(0, 2**32)))
    spread = 10 ** rng.uniform(-3, 0)
    curves = []
    for _ in range(draw_(st.integers(1, 6))):
        value, points = rng.gauss(1, spread), []
        for epoch in range(1, rng.choice([1, 2, 5, 20, 100]) + 1):
            value += rng.gauss(0, spread / 5)
            points.append((float(epoch), math.nan if rng.random() < 0.03 else value))
        curves.append(points)
    return curves


def drawn_band(curves: Curves, width: int, height: int, **more: bool) -> tuple[ChartSpec, Drawing]:
    """Draw the band alone."""
    _, band = mean_and_band(curves, DARK.train)
    end = max(x for curve in curves for x, _ in curve)
    spec = ChartSpec(curve_bands=[band], start=1.0, end=max(end, 1.5), **more)
    return spec, draw(spec, width, height)


@settings(max_examples=150, deadline=None)
@given(many_curves(), st.integers(20, 160), st.integers(6, 50), st.booleans())
def test_every_dot_of_a_band_is_between_its_edges_and_both_edges_are_drawn(
    curves: Curves, width: int, height: int, full: bool
) -> None:
    spec, drawing = drawn_band(curves, width, height, full=full)
    rows = height - 3
    visible = visible_part(spec)
    (parts,) = (edges for _, edges in visible.bands)
    if not parts:
        return
    edges = [Values([p for pair in parts for p in pair[side]]) for side in (0, 1)]
    axis = fit_axis(edges, [], rows, full=full)

    def spans(side: int, part: int) -> dict[int, tuple[float, float]]:
        across = 2 * drawing.columns - 1
        points = [
            (visible.fraction(x) * across + 0.5, 4 * axis.position(y)) for x, y in parts[part][side]
        ]
        return columns_of(points, 2 * drawing.columns)

    dots = dots_of(drawing, rows, 1)
    inside: dict[int, list[tuple[float, float]]] = {}
    for part in range(len(parts)):
        low, high = spans(0, part), spans(1, part)
        for column in low.keys() & high.keys():
            inside.setdefault(column, []).append((high[column][0], low[column][1]))
    for column, row in dots:
        assert any(top - 1 <= row + 0.5 <= bottom + 1 for top, bottom in inside.get(column, ()))
    # Both edges of a band are in every second column.
    for column in range(0, 2 * drawing.columns, 2):
        for top, bottom in inside.get(column, ()):
            for edge in (top, bottom):
                if 0.5 <= edge <= 4 * rows - 0.5 and "↑" not in drawing.text.plain:
                    assert any((column, math.floor(edge) + n) in dots for n in (-1, 0, 1)), edge
    # Curves have dots in neighboring columns, a band has not.
    assert not any((column + 1, row) in dots for column, row in dots)


def test_a_band_reaches_from_the_lowest_to_the_highest_curve() -> None:
    curves = [[(1.0, low), (11.0, low)] for low in (0.2, 0.5, 0.8)]
    spec, drawing = drawn_band(curves, 60, 20, full=True)
    rows = 17
    values = [(x, y) for x, low, high in spec.curve_bands[0].points for y in (low, high)]
    axis = fit_axis([Values(values)], [], rows, full=True)
    by_row = sorted({row for _, row in dots_of(drawing, rows, 1)})
    assert by_row[0] == pytest.approx(4 * axis.position(0.8), abs=1)
    assert by_row[-1] == pytest.approx(4 * axis.position(0.2), abs=1)


def test_the_mean_is_drawn_over_the_band_and_can_be_told_from_it_without_color() -> None:
    curves = [[(1.0, low), (11.0, low)] for low in (0.2, 0.5, 0.8)]
    mean, band = mean_and_band(curves, DARK.train)
    both = draw(ChartSpec([mean], curve_bands=[band], start=1.0, end=11.0, full=True), 60, 20)
    dots = dots_of(both, 17, 1)
    unbroken = [y for y in range(68) if all((x, y) in dots for x in range(2 * both.columns))]
    assert len(unbroken) == 1
    # No dot of the band is in a cell of the mean.
    (mean_row,) = unbroken
    in_cells = {y for x, y in dots if y // 4 == mean_row // 4}
    assert in_cells == {mean_row}


@pytest.mark.parametrize("glyphs", sorted(GLYPHS))
def test_with_any_glyphs_a_band_differs_from_a_curve(glyphs: str) -> None:
    curves = [[(1.0, low), (11.0, low)] for low in (0.2, 0.8)]
    mean, band = mean_and_band(curves, DARK.train)
    spec = ChartSpec(curve_bands=[band], start=1.0, end=11.0, full=True)
    only_band = draw(spec, 40, 12, glyphs).text.plain
    only_mean = draw(ChartSpec([mean], start=1.0, end=11.0, full=True), 40, 12, glyphs).text.plain
    in_band = {c for line in only_band.split("\n")[1:10] for c in line[6:]} - {" "}
    in_mean = {c for line in only_mean.split("\n")[1:10] for c in line[6:38]} - {" "}
    assert in_band and not in_band & in_mean
    if glyphs == "ascii":
        assert in_band == {"/"}


def test_two_bands_show_both_colors_where_they_overlap() -> None:
    bands = [
        CurveBand([(0.0, 0.2, 0.8), (10.0, 0.2, 0.8)], color) for color in (DARK.train, DARK.val)
    ]
    drawing = draw(ChartSpec(curve_bands=bands, end=10.0, full=True), 40, 12)
    seen = {str(span.style.color) for span in drawing.text.spans if not isinstance(span.style, str)}
    wanted = {str(RichColor.parse(rgb(color))) for color in (DARK.train, DARK.val)}
    assert wanted <= seen


def test_the_axis_has_room_for_the_band() -> None:
    curve = Curve([(0.0, 0.5), (10.0, 0.5)])
    band = CurveBand([(0.0, 0.1, 0.9), (10.0, 0.1, 0.9)])
    text = draw(ChartSpec([curve], curve_bands=[band], end=10.0), 60, 20).text.plain
    labels = [float(line.split("┤")[0]) for line in text.split("\n") if "┤" in line]
    assert min(labels) <= 0.2 and max(labels) >= 0.8


def test_a_band_without_values_is_an_empty_chart() -> None:
    mean, band = mean_and_band([], DARK.train)
    assert "no data yet" in draw(ChartSpec([mean], curve_bands=[band]), 40, 10).text.plain
