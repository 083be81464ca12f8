import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from core.run_state import fold
from tests.tui import scripted
from tui.widgets import curves
from tui.widgets.plot import (
    BEST_SIGN,
    COMMAND_SIGN,
    NAN_SIGN,
    PHASE_SIGN,
    VAL_SIGN,
    WARNING_SIGN,
    Boundary,
    ChartSpec,
    Tick,
    draw,
    is_log,
    round_values,
    thin,
)

numbers = st.floats(allow_nan=True, allow_infinity=True)
places = st.floats(0, 3) | numbers
points = st.lists(st.tuples(places, numbers), max_size=40)
specs = st.builds(
    ChartSpec,
    train=points,
    val=points,
    best=st.none() | st.tuples(places, numbers),
    nan_x=st.lists(places, max_size=4),
    boundaries=st.lists(st.builds(Boundary, places, st.just("head"), st.just("full")), max_size=2),
    commands=st.lists(places, max_size=4),
    warnings=st.lists(places, max_size=4),
    x_end=places,
    ticks=st.lists(st.builds(Tick, places, st.just("12")), max_size=4),
    y_limits=st.none() | st.just((0.0, 1.0)),
    names_below=st.booleans(),
    log=st.booleans(),
)


@settings(max_examples=120, deadline=None)
@given(specs, st.integers(0, 90), st.integers(0, 30))
def test_drawing_never_fails_and_keeps_to_its_size(
    spec: ChartSpec, width: int, height: int
) -> None:
    lines = draw(spec, width, height).plain.split("\n")
    assert len(lines) == max(1, height) if width else True
    assert all(cell_len(line) <= width for line in lines)


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
@pytest.mark.parametrize("log", [False, True])
def test_odd_curves_can_be_drawn(train: list[tuple[float, float]], log: bool) -> None:
    for width, height in ((10, 3), (1, 1), (12, 4), (60, 12)):
        assert len(draw(ChartSpec(train=train, log=log), width, height).plain.split("\n")) == height


def test_the_chart_uses_all_its_room_whatever_the_terminal_is() -> None:
    lines = draw(ChartSpec(train=[(0.0, 1.0), (1.0, 2.0)]), 180, 60).plain.split("\n")
    assert max(map(cell_len, (line.rstrip() for line in lines))) >= 178
    assert lines[-2].strip()


def test_an_empty_chart_says_so() -> None:
    assert "nothing yet" in draw(ChartSpec(empty="nothing yet"), 40, 10).plain


def test_train_is_a_braille_line_and_val_has_its_own_sign() -> None:
    spec = ChartSpec(
        train=[(i / 50, 1 / (1 + i)) for i in range(50)], val=[(1.0, 0.4), (2.0, 0.3)], x_end=2.0
    )
    plain = draw(spec, 60, 14).plain
    assert any("\u2801" <= sign <= "\u28ff" for sign in plain)
    assert plain.count(VAL_SIGN) == 2


def test_nan_is_marked_at_its_place_and_leaves_the_rest_alone() -> None:
    clean = ChartSpec(train=[(x / 10, float(x)) for x in range(11)])
    dirty = ChartSpec(train=[*clean.train, (0.5, math.nan)], nan_x=[0.9])
    assert NAN_SIGN not in draw(clean, 60, 14).plain
    first_line = draw(dirty, 60, 14).plain.split("\n")[0]
    assert first_line.count(NAN_SIGN) == 2
    assert all(f" {n}┤" in draw(dirty, 60, 14).plain for n in (0, 2, 4, 6, 8, 10) if n < 10)


def test_a_spike_among_thousands_of_points_stays() -> None:
    many = [(i / 10_000, 1.0) for i in range(10_000)]
    many[4321] = (0.4321, 50.0)
    many[8000] = (0.8, -50.0)
    kept = thin(many, 100, 1.0)
    assert len(kept) <= 200
    assert (0.4321, 50.0) in kept
    assert (0.8, -50.0) in kept


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(-1e9, 1e9)), min_size=1, max_size=300),
    st.integers(1, 40),
)
def test_thinning_keeps_the_extremes_in_at_most_two_points_a_column(
    many: list[tuple[float, float]], columns: int
) -> None:
    kept = thin(many, columns, 1.0)
    assert len(kept) <= max(2, 2 * columns)
    assert min(y for _, y in kept) == min(y for _, y in many)
    assert max(y for _, y in kept) == max(y for _, y in many)


def test_loss_becomes_logarithmic_only_over_a_wide_range() -> None:
    assert is_log(ChartSpec(train=[(0, 10.0), (1, 0.01)], log=True))
    assert not is_log(ChartSpec(train=[(0, 10.0), (1, 1.0)], log=True))
    assert not is_log(ChartSpec(train=[(0, 10.0), (1, 0.0)], log=True))
    assert not is_log(ChartSpec(train=[(0, 10.0), (1, 0.01)], log=False))
    plain = draw(ChartSpec(train=[(0, 10.0), (1, 0.01)], log=True), 60, 14).plain
    assert all(f"{label}┤" in plain for label in ("10", " 1", "0.1", "0.01"))


@pytest.mark.parametrize(
    ("low", "high", "values"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0.2, 0.21, [0.2, 0.202, 0.204, 0.206, 0.208, 0.21])],
)
def test_ticks_are_round(low: float, high: float, values: list[float]) -> None:
    assert round_values(low, high, 5) == pytest.approx(values)


def test_a_run_has_all_its_marks() -> None:
    state = fold(scripted.running().records)
    loss = curves.loss_chart(state)
    assert [(b.x, b.before, b.after) for b in loss.boundaries] == [(8.0, "head", "full")]
    assert loss.x_end == 11.0
    assert [tick.label for tick in loss.ticks] == [*map(str, range(1, 9)), "1", "2", "3"]
    assert loss.best is not None
    assert loss.best[0] == 8.0
    plain = draw(loss, 70, 20).plain
    for sign in (PHASE_SIGN, COMMAND_SIGN, BEST_SIGN, VAL_SIGN, "head full"):
        assert sign in plain
    assert "▼ patience 7 → 5" in curves.legend(state)
    assert curves.best_note(state) == "★ best val 99.57 % (head, epoch 8)"


def test_a_nan_run_has_its_marks_in_both_charts() -> None:
    state = fold(scripted.with_nan().records)
    plain = draw(curves.loss_chart(state), 70, 20).plain
    assert NAN_SIGN in plain
    assert WARNING_SIGN in plain
    assert "× not a number" in curves.legend(state)
    assert curves.loss_title(state, False) == "loss · train nan · val nan"
    assert draw(curves.accuracy_chart(state), 70, 20).plain.strip()


def test_many_epochs_are_not_all_named() -> None:
    script = scripted.Script().prepare().phase("head", 200)
    for number in range(1, 101):
        script.epoch("head", number, 1 / number, 0.5)
    labels = [tick.label for tick in curves.epoch_ticks(fold(script.records))]
    assert labels == ["1", *map(str, range(10, 101, 10))]
