import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from core.analysis import curves
from core.run.figures import FIGURES
from core.run.state import fold
from tests.tui import scripted
from tui.charts import run_charts
from tui.charts.draw import draw
from tui.charts.printed import draw_printed, one_per_row, thin
from tui.charts.scale import round_seconds, round_values
from tui.charts.spec import (
    BEST_SYMBOL,
    COMMAND_SYMBOL,
    CURSOR_SYMBOL,
    LEVEL_SYMBOL,
    NAN_SYMBOL,
    PHASE_SYMBOL,
    VAL_SYMBOL,
    WARNING_SYMBOL,
    Band,
    ChartSpec,
    Curve,
    Level,
    PlotSymbol,
    Tick,
    drawn_log,
)
from tui.charts.view import ChartView
from tui.preferences.palettes import DARK

LOSS, TOP1, LR = FIGURES["loss"], FIGURES["top1"], FIGURES["lr"]
numbers = st.floats(allow_nan=True, allow_infinity=True)
xs = st.floats(0, 3) | numbers
points = st.lists(st.tuples(xs, numbers), max_size=40)
colors = st.just(DARK.train)
drawn_curves = st.builds(
    Curve, points, colors, st.sampled_from(["line", "cloud", "marked"]), st.booleans()
)
specs = st.builds(
    ChartSpec,
    curves=st.lists(drawn_curves, max_size=3),
    symbols=st.lists(
        st.builds(PlotSymbol, xs, st.sampled_from("★▼"), colors, st.none() | numbers),
        max_size=4,
    ),
    levels=st.lists(st.builds(Level, numbers, xs, xs), max_size=2),
    bands=st.lists(st.builds(Band, xs, st.sampled_from(["head", "full"])), max_size=2),
    start=xs,
    end=xs,
    cursor=st.none() | xs,
    ticks=st.lists(st.builds(Tick, xs, st.just("12")), max_size=4),
    full=st.booleans(),
    scale=st.sampled_from(["linear", "log", "auto"]),
)


def plain(spec: ChartSpec, width: int = 60, height: int = 14) -> str:
    return draw(spec, width, height).text.plain


def curve(points: list[tuple[float, float]], **more: object) -> ChartSpec:
    return ChartSpec(curves=[Curve(points)], **more)  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None)
@given(specs, st.integers(0, 90), st.integers(0, 30))
@example(ChartSpec(levels=[Level(8e297, 0.0, 0.0), Level(1e-300, 0.0, 0.0)], scale="log"), 12, 3)
@example(ChartSpec(levels=[Level(1e299, 0.0, 0.0)], scale="log"), 12, 3)
def test_drawing_never_fails_and_fits_its_size(spec: ChartSpec, width: int, height: int) -> None:
    drawing = draw(spec, width, height)
    rows = drawing.text.plain.split("\n")
    assert len(rows) == max(1, height) if width else True
    assert all(cell_len(row) <= width for row in rows)
    assert drawing.left + drawing.columns <= width
    if width > 12 and height > 3:
        printed = draw_printed(spec, width, height).plain.split("\n")
        assert all(cell_len(row) <= width for row in printed)


@pytest.mark.parametrize(
    "train",
    [
        [],
        [(0.5, 1.0)],
        [(0.1, 3.0), (0.9, 3.0)],
        [(0.1, 0.0), (0.9, 0.0)],
        [(0.1, 1e308), (0.9, -1e308)],
        [(0.1, 5e-324), (0.9, 1e300)],
        [(0.1, math.nan), (0.2, math.inf), (0.3, -math.inf)],
        [(math.nan, 1.0), (math.inf, 1.0)],
    ],
)
@pytest.mark.parametrize("scale", ["auto", "log", "linear"])
def test_extreme_values_can_be_drawn(train: list[tuple[float, float]], scale: str) -> None:
    for width, height in ((10, 3), (1, 1), (12, 4), (60, 12)):
        assert len(plain(curve(train, scale=scale), width, height).split("\n")) == height


def test_the_chart_fills_its_size_on_any_terminal() -> None:
    rows = plain(curve([(0.0, 1.0), (1.0, 2.0)]), 180, 60).split("\n")
    assert max(map(cell_len, (row.rstrip() for row in rows))) >= 178
    assert rows[-2].strip()


def test_an_empty_chart_shows_its_message() -> None:
    assert "nothing yet" in plain(ChartSpec(empty="nothing yet"), 40, 10)


def test_a_point_of_validation_is_a_square_of_dots() -> None:
    val = Curve([(1.0, 0.4), (2.0, 0.3)], DARK.val, "marked")
    line = plain(ChartSpec(curves=[Curve(val.points)], end=3.0))
    marked = plain(ChartSpec(curves=[val], end=3.0))

    def dots(drawn: str) -> int:
        return sum(bin(ord(c) - 0x2800).count("1") for c in drawn if 0x2800 < ord(c) < 0x2900)

    assert 2 <= dots(marked) - dots(line) <= 6
    printed = draw_printed(ChartSpec(curves=[val], end=3.0), 60, 14).plain
    assert printed.count(VAL_SYMBOL) == 1


def test_a_drawing_has_the_position_of_its_x_axis() -> None:
    ends = [PlotSymbol(0.0, "A", DARK.marker), PlotSymbol(1.0, "Z", DARK.marker)]
    drawing = draw(ChartSpec(curves=[Curve([(0.0, 100.0), (1.0, 250.0)])], symbols=ends), 60, 14)
    row = next(row for row in drawing.text.plain.split("\n") if "A" in row)
    assert (row.index("A"), row.index("Z")) == (drawing.left, drawing.left + drawing.columns - 1)


def test_nan_is_marked_at_its_x_and_changes_nothing_else() -> None:
    smooth = [(x / 10, float(x)) for x in range(11)]
    gap = [*smooth[:5], (0.45, math.nan), *smooth[5:]]
    dirty = plain(curve(gap, symbols=[PlotSymbol(0.9, NAN_SYMBOL, DARK.bad)])).split("\n")
    clean = plain(curve(smooth)).split("\n")
    assert NAN_SYMBOL not in "".join(clean)
    assert dirty[-2].count(NAN_SYMBOL) == 2
    assert [row[:4] for row in dirty[:-2]] == [row[:4] for row in clean[:-2]]
    assert "".join(dirty).count("⠀") == 0


def test_thinning_keeps_a_spike_among_thousands_of_points() -> None:
    many = [(i / 10_000, 1.0) for i in range(10_000)]
    many[4321] = (0.4321, 50.0)
    many[8000] = (0.8, -50.0)
    kept = thin(many, 100, 0.0, 1.0)
    assert len(kept) <= 200
    assert (0.4321, 50.0) in kept
    assert (0.8, -50.0) in kept


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(-1e9, 1e9)), min_size=1, max_size=300),
    st.integers(1, 40),
)
def test_thinning_keeps_the_extremes_in_at_most_two_points_per_column(
    many: list[tuple[float, float]], columns: int
) -> None:
    kept = thin(many, columns, 0.0, 1.0)
    assert len(kept) <= max(2, 2 * columns)
    assert min(y for _, y in kept) == min(y for _, y in many)
    assert max(y for _, y in kept) == max(y for _, y in many)


def test_a_line_is_cut_at_the_visible_range() -> None:
    drawn = plain(curve([(0.0, 0.0), (10.0, 10.0)], start=4.0, end=6.0))
    assert "4.0┤" in drawn
    assert any(row.startswith("6.0┤") and row.endswith(" 6") for row in drawn.split("\n"))
    assert "10" not in drawn
    assert any("\u2801" <= symbol <= "\u28ff" for symbol in drawn)


def test_the_scale_is_logarithmic_over_a_wide_range_or_on_request() -> None:
    wide, narrow = [(0.0, 10.0), (1.0, 0.01)], [(0.0, 10.0), (1.0, 1.0)]
    assert drawn_log(curve(wide, scale="auto"))
    assert not drawn_log(curve(narrow, scale="auto"))
    assert not drawn_log(curve([(0.0, 10.0), (1.0, 0.0)], scale="auto"))
    assert not drawn_log(curve(wide))
    assert drawn_log(curve(narrow, scale="log"))
    assert all(f"{label}┤" in plain(curve(wide, scale="auto")) for label in ("10", "0.1", "0.01"))


@pytest.mark.parametrize(
    ("low", "high", "values"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0.2, 0.21, [0.2, 0.202, 0.204, 0.206, 0.208, 0.21])],
)
def test_ticks_are_round(low: float, high: float, values: list[float]) -> None:
    assert round_values(low, high, 5) == pytest.approx(values)


@pytest.mark.parametrize(
    ("low", "high", "values"),
    [
        (0, 50, [0, 10, 20, 30, 40, 50]),
        (100, 1000, [300, 600, 900]),
        (0, 100_000, [0, 21600, 43200, 64800, 86400]),
    ],
)
def test_time_ticks_are_round_on_a_clock(low: float, high: float, values: list[float]) -> None:
    assert round_seconds(low, high, 5) == values


def test_a_run_has_all_its_markers() -> None:
    state = fold(scripted.running().records)
    loss = run_charts.chart(state, LOSS, ChartView())
    assert [(band.start, band.name) for band in loss.bands] == [(0.0, "head"), (8.0, "full")]
    assert loss.end == 11.0
    assert [tick.label for tick in loss.ticks] == [*map(str, range(1, 9)), "1", "2", "3"]
    drawn = plain(loss, 70, 20)
    for symbol in (
        PHASE_SYMBOL,
        COMMAND_SYMBOL,
        BEST_SYMBOL,
        LEVEL_SYMBOL,
        "head",
        "full",
    ):
        assert symbol in drawn
    legend = run_charts.legend_text(state, LOSS)
    assert "▼ patience 7 → 5" in legend
    assert "╌ must beat 0.0291" in legend
    assert run_charts.best_note(state) == "★ best val 99.57% (head, epoch 8)"


def test_the_cursor_is_a_vertical_line() -> None:
    state = fold(scripted.running().records)
    rows = plain(run_charts.chart(state, LOSS, ChartView()), 70, 20).split("\n")
    assert all(CURSOR_SYMBOL not in row[5:] for row in rows)
    rows = plain(run_charts.chart(state, LOSS, ChartView(cursor=4.0)), 70, 20).split("\n")
    assert sum(row[5:].count(CURSOR_SYMBOL) for row in rows) >= 12


def test_a_nan_run_is_marked_in_both_charts() -> None:
    state = fold(scripted.with_nan().records)
    drawn = plain(run_charts.chart(state, LOSS, ChartView()), 70, 20)
    assert NAN_SYMBOL in drawn
    assert WARNING_SYMBOL in drawn
    assert "× non-finite" in run_charts.legend_text(state, LOSS)
    assert run_charts.title(state, LOSS, ChartView(), False) == "loss · epoch 2: train nan, val nan"
    assert plain(run_charts.chart(state, TOP1, ChartView()), 70, 20).strip()


@pytest.mark.parametrize("window", [None, (1.0, 1.2), (0.9, 2.1)])
def test_nan_and_spikes_are_visible_at_any_zoom(window: tuple[float, float] | None) -> None:
    script = scripted.Script().prepare().phase("head", 30)
    script.epoch("head", 1, 0.9, 0.5)
    script.progress("head", 2, 8, math.nan)
    script.progress("head", 2, 12, 0.5, peak_loss=70.0)
    state = fold(script.records)
    spec = run_charts.chart(state, LOSS, ChartView(window=window, scale="linear"))
    drawn = plain(spec, 100, 16)
    assert NAN_SYMBOL in drawn.split("\n")[-2]
    assert "75┤" in drawn or "↑70" in drawn.split("\n")[0]


def test_a_plateau_is_a_step_of_the_learning_rate_with_a_marker() -> None:
    script = scripted.Script().prepare().phase("head", 30)
    script.epoch("head", 1, 0.9, 0.5).epoch("head", 2, 0.9, 0.5, bad=1, next_lr=5e-4)
    script.progress("head", 3, 21, 0.8, lr=5e-4)
    state = fold(script.records)
    assert "↓ lr 0.001 → 0.0005 on a plateau" in run_charts.legend_text(state, LR)
    train = curves.train_points(state, LR)
    assert [y for _, y in train[-3:]] == [1e-3, 1e-3, 5e-4]
    assert train[-1][0] == train[-2][0]
    assert "↓" in plain(run_charts.chart(state, LR, ChartView()), 70, 12)
    assert "↓" not in plain(run_charts.chart(state, LOSS, ChartView()), 70, 12)


def test_many_epochs_are_not_all_labeled() -> None:
    script = scripted.Script().prepare().phase("head", 200)
    for number in range(1, 101):
        script.epoch("head", number, 1 / number, 0.5)
    labels = [tick.label for tick in run_charts.ticks(fold(script.records), ChartView())]
    assert labels == ["1", *map(str, range(10, 101, 10))]


def test_steps_and_time_have_their_own_axes() -> None:
    state = fold(scripted.running().records)
    by_step = run_charts.chart(state, LOSS, ChartView(axis="step"))
    assert by_step.end == state.progress.global_step if state.progress else False
    assert "1,000" in [tick.label for tick in by_step.ticks]
    by_time = run_charts.chart(state, LOSS, ChartView(axis="time"))
    assert by_time.end == pytest.approx(state.timeline.seconds_at(11.0))
    assert "5:00" in [tick.label for tick in by_time.ticks]
    assert by_time.bands[1].start == pytest.approx(state.timeline.seconds_at(8.0))


def test_smoothing_draws_the_raw_points_behind_the_average() -> None:
    state = fold(scripted.running().records)
    raw, smooth, val = run_charts.chart(state, LOSS, ChartView(smoothing=0.9)).curves
    assert (raw.style, smooth.style, val.style) == ("cloud", "line", "marked")
    spread = [max(y for _, y in part.points) - min(y for _, y in part.points) for part in
              (raw, smooth)]  # fmt: skip
    assert spread[1] < spread[0]
    assert smooth.points[0] == raw.points[0]
    assert "smoothed 0.9" in run_charts.title(state, LOSS, ChartView(smoothing=0.9), False)


@pytest.mark.parametrize("rows", [1, 2, 3, 12])
def test_a_low_chart_has_one_label_per_row(rows: int) -> None:
    """Of two labels in a row plotext draws a random one, different in each process."""
    positions, labels = one_per_row([0.1, 0.3, 0.5, 0.7, 0.9], ["a", "b", "c", "d", "e"], rows)
    drawn = [round(position * (rows - 1)) for position in positions]
    assert drawn == sorted(set(drawn))
    assert len(positions) == len(labels) == min(rows, 5)
    assert labels[0] == "a"
