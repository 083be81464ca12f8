"""Curves are where their values are: the drawn dots are decoded and compared with the points."""

import itertools
import math
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.charts.canvas import GLYPHS, Canvas, columns_of, rows_of
from tui.charts.draw import Drawing, draw
from tui.charts.spec import Band, ChartSpec, Curve, visible_part
from tui.charts.y_axis import Values, YAxis, fit_axis, separate_rows
from tui.preferences.palettes import DARK, Color

_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
RED = DARK.bad


def dots_of(drawing: Drawing, rows: int, bands: int) -> set[tuple[int, int]]:
    """Return the drawn dots of a chart by column and row, counted from the plot's corner."""
    found = set()
    for row, line in enumerate(drawing.text.plain.split("\n")[bands : bands + rows]):
        for column, character in enumerate(line[drawing.left : drawing.left + drawing.columns]):
            bits = ord(character) - 0x2800
            if 0 < bits <= 0xFF:
                found |= {
                    (2 * column + x, 4 * row + y)
                    for y, pair in enumerate(_BITS)
                    for x, bit in enumerate(pair)
                    if bits & bit
                }
    return found


def axis_of(spec: ChartSpec, rows: int) -> YAxis:
    visible = visible_part(spec)
    values = [
        Values([p for part in parts for p in part], curve.leading)
        for curve, parts in visible.curves
    ]
    return fit_axis(values, [], rows, spec.scale, spec.y_unit, spec.full)


def expected_points(
    spec: ChartSpec, axis: YAxis, columns: int, rows: int
) -> Iterator[tuple[float, float]]:
    """Yield the visible points of the only curve in dots."""
    visible = visible_part(spec)
    for _, parts in visible.curves:
        for part in parts:
            for x, y in part:
                position = axis.position(y)
                if 0 <= position <= rows:
                    yield visible.fraction(x) * (2 * columns - 1) + 0.5, 4 * position


def check(spec: ChartSpec, width: int, height: int) -> None:
    drawing = draw(spec, width, height)
    bands = 1 if height >= 6 else 0
    rows = height - 2 - bands
    axis = axis_of(spec, rows)
    dots = dots_of(drawing, rows, bands)
    by_column: dict[int, list[int]] = {}
    for column, row in dots:
        by_column.setdefault(column, []).append(row)
    for x, y in expected_points(spec, axis, drawing.columns, rows):
        # Within a quarter of a cell in y and half a cell in x: one dot each.
        near = [
            row for column in range(math.floor(x) - 1, math.floor(x) + 2)
            for row in by_column.get(column, ())
        ]  # fmt: skip
        assert any(abs(row + 0.5 - y) <= 1 for row in near), (x, y, sorted(near))
    # No dot is where the curve isn't.
    visible = visible_part(spec)
    spans: dict[int, list[tuple[float, float]]] = {}
    for _, parts in visible.curves:
        for part in parts:
            given = [
                (
                    visible.fraction(x) * (2 * drawing.columns - 1) + 0.5,
                    min(1e9, max(-1e9, 4 * axis.position(y))),
                )
                for x, y in part
            ]
            for column, span in columns_of(given, 2 * drawing.columns).items():
                spans.setdefault(column, []).append(span)
    for column, row in dots:
        # The value may be in the neighboring column of a square.
        near_spans = [s for n in (column - 1, column, column + 1) for s in spans.get(n, ())]
        assert any(low - 1 <= row + 0.5 <= high + 1 for low, high in near_spans)


@st.composite
def random_specs(draw_: st.DrawFn) -> ChartSpec:
    rng = random.Random(draw_(st.integers(0, 2**32)))
    count = draw_(st.sampled_from([1, 2, 3, 10, 40, 300, 3000]))
    shape = draw_(st.sampled_from(["walk", "decay", "noise", "flat", "steps"]))
    size = 10 ** rng.uniform(-6, 6)
    points = []
    value = size
    for number in range(count):
        if shape == "walk":
            value += rng.gauss(0, size / 10)
        elif shape == "decay":
            value = size * math.exp(-3 * number / count) * (1 + rng.gauss(0, 0.05))
        elif shape == "noise":
            value = size * rng.random()
        elif shape == "steps" and rng.random() < 0.05:
            value *= rng.choice([0.5, 2.0])
        spike = rng.choice([math.nan, value * 50, -value * 9]) if rng.random() < 0.01 else value
        points.append((number / max(1, count - 1) * 10, spike))
    start, end = sorted((rng.uniform(0, 9), rng.uniform(0.5, 10)))
    is_zoomed = draw_(st.booleans())
    return ChartSpec(
        curves=[Curve(points, style=draw_(st.sampled_from(["line", "marked"])))],
        start=start if is_zoomed and end - start > 0.1 else 0.0,
        end=end if is_zoomed and end - start > 0.1 else 10.0,
        scale=draw_(st.sampled_from(["linear", "log", "auto"])),
        full=draw_(st.booleans()),
    )


@settings(max_examples=200, deadline=None)
@given(random_specs(), st.integers(20, 200), st.integers(5, 60))
def test_every_dot_is_at_its_value_and_every_value_has_a_dot(
    spec: ChartSpec, width: int, height: int
) -> None:
    check(spec, width, height)


@pytest.mark.slow
def test_a_million_points_are_drawn_as_precisely() -> None:
    rng = random.Random(0)
    points = [(n / 1e5, math.sin(n / 1e5) + rng.gauss(0, 0.1)) for n in range(1_000_000)]
    check(ChartSpec([Curve(points)], end=10.0), 140, 30)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 40), st.floats(-5, 30)), min_size=2, max_size=12).map(sorted)
)
def test_a_line_is_connected(points: list[tuple[float, float]]) -> None:
    spans = columns_of(points, 40)
    dots = {
        (column, row) for column, (low, high) in spans.items() for row in rows_of(low, high, 24)
    }
    columns = sorted({column for column, _ in dots})
    for column, after in itertools.pairwise(columns):
        if after == column + 1 and spans[column][0] >= 0 and spans[column][1] <= 24:
            here = [row for one, row in dots if one == column]
            there = [row for one, row in dots if one == after]
            assert min(abs(a - b) for a in here for b in there) <= 1


def test_values_of_ten_epochs_near_100_percent_are_told_apart() -> None:
    values = [0.951, 0.985, 0.992, 0.9951, 0.9960, 0.9963, 0.9968, 0.9974, 0.9979, 0.9979]
    val = Curve([(float(n), y) for n, y in enumerate(values, 1)], style="marked", leading=True)
    train = Curve([(n / 10, 0.6 + 0.397 * (1 - math.exp(-n / 9))) for n in range(1, 101)])
    spec = ChartSpec([train, val], end=10.0, y_unit=0.01)
    rows = 8
    visible = visible_part(spec)
    axis = fit_axis(
        [Values(parts[0], curve.leading) for curve, parts in visible.curves], [], rows, unit=0.01
    )
    dots = [math.floor(4 * axis.position(y)) for y in (0.9968, 0.9974, 0.9979)]
    assert len(set(dots)) == 3
    assert all(0 <= dot < 4 * rows for dot in dots)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.floats(-1e12, 1e12) | st.floats(0.9, 1.0), min_size=1, max_size=30),
    st.integers(1, 60),
    st.sampled_from(["linear", "log", "auto"]),
    st.booleans(),
)
def test_ticks_are_even_and_at_the_value_that_they_name(
    values: list[float], rows: int, scale: str, full: bool
) -> None:
    axis = fit_axis([Values(list(enumerate(values)))], [], rows, scale, full=full)
    assert axis.high > axis.low
    at = sorted(row for row, _ in axis.ticks)
    assert len(at) == len(set(at))
    assert all(0 <= row < rows for row in at)
    if not axis.log:
        assert len({b - a for a, b in itertools.pairwise(at)}) <= 1
        for row, label in axis.ticks:
            if "e" not in label:
                step = 10.0 ** -len(label.partition(".")[2])
                shown = axis.position(float(label))
                tolerance = 0.01 + step / (axis.high - axis.low) * rows * 1e-3
                assert abs(shown - (row + 0.5)) <= tolerance
    if full:
        drawn = [v for v in values if v > 0 or not axis.log]
        assert all(-0.01 <= axis.position(v) <= rows + 0.01 for v in drawn)


def test_an_early_value_and_a_spike_are_named_at_the_edge() -> None:
    points = [(0.0, 30.0), *((n / 10, 1 + 1 / (1 + n)) for n in range(2, 101))]
    points[60] = (points[60][0], 77.0)
    robust = draw(ChartSpec([Curve(points)], end=10.0), 80, 20).text.plain
    assert "↑30" in robust.split("\n")[0]
    assert "↑77" in robust.split("\n")[0]
    whole = draw(ChartSpec([Curve(points)], end=10.0, full=True), 80, 20).text.plain
    assert "↑" not in whole


def test_two_curves_of_different_colors_are_named_by_their_values() -> None:
    def falling(start: float, color: Color) -> Curve:
        points = [(0.0, start), *((n / 10, 1 + 1 / (1 + n)) for n in range(2, 101))]
        return Curve(points, color)

    curves = [falling(30.0, DARK.train), falling(40.0, DARK.val)]
    bands = [Band(0.0, "head"), Band(4.0, "full")]
    first_row = draw(ChartSpec(curves, bands=bands, end=10.0), 60, 14).text.plain.split("\n")[0]
    assert {"↑30", "↑40", "head", "full"} <= set(first_row.replace("┊", " ").split())


def test_values_at_the_edge_are_in_the_order_of_the_curves() -> None:
    values = (0.9931, 0.9971, 0.9940, 0.2)
    curves = [Curve([(0.0, 0.5), (1.0, value)]) for value in values]
    lines = draw(ChartSpec(curves, text=lambda y: f"{y:.4f}"), 60, 9).text.plain.split("\n")
    shown = [line.split()[-1] for line in lines if line.rstrip().endswith(tuple("0123456789"))]
    assert shown[:4] == ["0.9971", "0.9940", "0.9931", "0.2000"]


@given(
    st.integers(1, 40).flatmap(
        lambda rows: st.tuples(
            st.just(rows), st.lists(st.floats(-1e9, 1e9), max_size=rows).map(sorted)
        )
    )
)
def test_separate_rows_keep_order_and_range(case: tuple[int, list[float]]) -> None:
    rows, positions = case
    found = separate_rows(positions, rows)
    assert found == sorted(set(found))
    assert len(found) == len(positions)
    assert all(0 <= row < rows for row in found)
    if len(positions) == 1:
        assert found[0] == min(rows - 1, max(0, math.floor(positions[0])))


@pytest.mark.parametrize("rows", range(3, 40))
def test_no_label_is_above_the_largest_possible_value(rows: int) -> None:
    curve = Curve([(float(n), 0.9 + n / 200) for n in range(20)])
    drawn = draw(ChartSpec([curve], end=20.0, y_unit=0.01, y_max=1.0), 60, rows).text.plain
    labels = [float(line.partition("┤")[0]) for line in drawn.split("\n") if "┤" in line]
    assert labels
    assert max(labels) <= 100


@pytest.mark.parametrize("rows", range(8, 60))
def test_tall_plots_have_at_least_three_ticks_in_most_cases(rows: int) -> None:
    ranges = [(0.3 * n, 0.3 * n + 0.017 * n * n + 0.1) for n in range(40)]
    ticks = [len(fit_axis([Values([(0, low), (1, high)])], [], rows).ticks) for low, high in ranges]
    assert min(ticks) >= 2
    assert max(ticks) <= 8
    assert sorted(ticks)[len(ticks) // 4] >= 3


@pytest.mark.parametrize("glyphs", sorted(GLYPHS))
def test_glyphs_have_one_character_per_cell(glyphs: str) -> None:
    canvas = Canvas(10, 3)
    canvas.line([(0.0, 0.0), (20.0, 12.0)], RED)
    rows = canvas.rows(glyphs)
    assert [cell_len(row.plain) for row in rows] == [10, 10, 10]
    assert all(row.plain.strip() for row in rows)
    if glyphs == "ascii":
        assert all(row.plain.isascii() for row in rows)


def test_a_cell_has_the_dots_of_one_curve() -> None:
    canvas = Canvas(1, 1)
    canvas.dot(0, 0, RED)
    canvas.dot(1, 3, DARK.train)
    canvas.dot(0, 3, DARK.train)
    assert canvas.rows()[0].plain == "⣀"


def test_text_never_covers_a_dot() -> None:
    canvas = Canvas(4, 1)
    canvas.dot(2, 0, RED)
    canvas.text(0, 0, "abcd")
    assert canvas.rows()[0].plain == "a⠁cd"
