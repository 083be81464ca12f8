"""Points are where their values are: the drawn dots are decoded and compared with the points."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.tui.test_canvas import dots_of
from tui.charts.canvas import GLYPHS
from tui.charts.scatter import (
    Emphasis,
    ScatterAxis,
    ScatterPoint,
    ScatterSpec,
    draw_scatter,
    fit_axes,
)
from tui.preferences.palettes import DARK

BAD = (math.nan, math.inf, -math.inf)
EMPHASES: list[Emphasis] = ["", "", "", "best", "selected"]
SCALES = ["linear", "log", "auto"]
values = st.one_of(
    st.floats(-1e9, 1e9, allow_nan=False).filter(lambda v: v == 0 or abs(v) > 1e-9),
    st.floats(0.9, 1.0),
    st.sampled_from([1e-5, 3e-4, 1e-3, 0.1, 0.0, *BAD]),
)
points = st.builds(
    ScatterPoint,
    values,
    values,
    st.sampled_from(["", "A", "BC", "写"]),
    st.sampled_from([DARK.train, DARK.val, DARK.best]),
    st.sampled_from(EMPHASES),
)
specs = st.builds(
    ScatterSpec,
    st.lists(points, min_size=1, max_size=40),
    st.builds(ScatterAxis, st.just("learning rate"), st.sampled_from(SCALES)),
    st.builds(ScatterAxis, st.just("best val top-1 (%)"), st.sampled_from(SCALES), st.just(0.01)),
)


@settings(max_examples=300, deadline=None)
@given(specs, st.integers(16, 160), st.integers(5, 50))
def test_every_point_has_a_dot_and_every_dot_is_at_a_point(
    spec: ScatterSpec, width: int, height: int
) -> None:
    drawing, axes = draw_scatter(spec, width, height), fit_axes(spec, width, height)
    lines = drawing.text.plain.split("\n")
    assert len(lines) == height
    assert all(cell_len(line) <= width for line in lines)
    known = [p for p in spec.points if math.isfinite(p.x) and math.isfinite(p.y)]
    kept = [p for p in known if (p.x > 0 or not axes.x.log) and (p.y > 0 or not axes.y.log)]
    assert list(axes.points) == kept
    assert axes.left_out == len(spec.points) - len(kept)
    if not kept:
        return
    titled = height >= 8
    if titled and width > 50:
        assert ("without a value" in lines[0]) == (axes.left_out > 0)
        assert lines[0].startswith("best val top-1 (%)")
        assert lines[-1].endswith("learning rate")
    dots = dots_of(drawing, axes.y.rows, 1 if titled else 0)
    at = [axes.position(point) for point in kept]
    for x, y in at:
        # Within half a cell in x and a quarter of a cell in y: one dot each.
        near = [d for d in dots if abs(d[0] + 0.5 - x) <= 1 and abs(d[1] + 0.5 - y) <= 1]
        assert near, (x, y)
    for column, row in dots:
        # An emphasized point reaches two dots from its center.
        assert any(abs(column + 0.5 - x) <= 2 and abs(row + 0.5 - y) <= 2 for x, y in at)


@settings(max_examples=150, deadline=None)
@given(specs, st.integers(16, 160), st.integers(5, 50))
def test_ticks_of_both_axes_are_even_and_at_the_value_that_they_name(
    spec: ScatterSpec, width: int, height: int
) -> None:
    axes = fit_axes(spec, width, height)
    if not axes.points:
        return
    lines = draw_scatter(spec, width, height).text.plain.split("\n")
    line = next(n for n, text in enumerate(lines) if text.lstrip().startswith("└"))
    marks = [n - axes.left for n, mark in enumerate(lines[line]) if mark == "┬"]
    named = [axes.x.rows - 1 - row for row, _ in axes.x.ticks]
    assert set(marks) <= set(named)
    if not axes.x.log:
        assert len({b - a for a, b in itertools.pairwise(marks)}) <= 1
        for row, label in axes.x.ticks:
            if "e" not in label:
                step = 10.0 ** -len(label.partition(".")[2])
                tolerance = 0.01 + step / (axes.x.high - axes.x.low) * axes.x.rows * 1e-3
                assert abs(axes.x.position(float(label)) - (row + 0.5)) <= tolerance
    labels = lines[line + 1].split()
    assert len(labels) == len(marks)


def test_a_learning_rate_over_decades_is_logarithmic_with_a_tick_per_decade() -> None:
    chosen = [ScatterPoint(x, 0.9 + n / 100) for n, x in enumerate((1e-5, 1e-4, 1e-3, 1e-2))]
    spec = ScatterSpec(chosen, ScatterAxis("learning rate", "auto"), ScatterAxis("", unit=0.01))
    lines = draw_scatter(spec, 80, 16).text.plain.split("\n")
    assert lines[-2].split() == ["1e-05", "0.0001", "0.001", "0.01"]


def test_points_without_a_position_are_counted_by_their_noun() -> None:
    spec = ScatterSpec(
        [ScatterPoint(1.0, 2.0), ScatterPoint(math.nan, 2.0), ScatterPoint(-1.0, 2.0)],
        ScatterAxis("lr", "log"),
        noun="run",
    )
    assert draw_scatter(spec, 60, 12).text.plain.split("\n")[0].endswith("2 runs without a value")
    nothing = ScatterSpec([ScatterPoint(math.nan, 1.0)], empty="nothing to compare")
    assert "nothing to compare" in draw_scatter(nothing, 60, 12).text.plain


def test_an_emphasized_point_is_larger_and_keeps_its_color_above_others() -> None:
    plain = ScatterPoint(1.0, 1.0, color=DARK.train)
    best = ScatterPoint(1.0, 1.0, "A", DARK.best, "best")
    others = [ScatterPoint(0.0, 0.0), ScatterPoint(2.0, 2.0)]
    sizes = []
    for shown in ([plain], [best], [best, plain]):
        drawing = draw_scatter(ScatterSpec([*shown, *others]), 40, 12)
        sizes.append(len(dots_of(drawing, 8, 1)))
    assert sizes[0] < sizes[1] == sizes[2]
    text = draw_scatter(ScatterSpec([best, plain, *others]), 40, 12).text
    assert "A" in text.plain
    colors = {str(span.style) for span in text.spans if "#" in str(span.style) or span.style}
    assert any("rgb(0,158,115)" in color or "#009e73" in color for color in colors)


@pytest.mark.parametrize("glyphs", sorted(GLYPHS))
def test_glyphs_have_one_character_per_cell(glyphs: str) -> None:
    spec = ScatterSpec([ScatterPoint(n, n * n, "A") for n in range(9)])
    text = draw_scatter(spec, 50, 12, glyphs).text.plain
    assert {cell_len(line) <= 50 for line in text.split("\n")} == {True}


@pytest.mark.parametrize("size", [(0, 0), (1, 1), (15, 4), (16, 5), (300, 3)])
def test_any_size_can_be_drawn(size: tuple[int, int]) -> None:
    spec = ScatterSpec([ScatterPoint(1.0, 1.0, "A", emphasis="best")])
    lines = draw_scatter(spec, *size).text.plain.split("\n")
    assert len(lines) == max(1, size[1])
