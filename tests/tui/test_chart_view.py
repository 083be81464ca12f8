import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.run.state import RunState, fold
from tests.tui import scripted
from tui.charts import view as chart_view
from tui.charts.readout import readout
from tui.charts.view import AXES, View

RUN = fold(scripted.running().records)
END = chart_view.run_end(RUN)


def test_the_cursor_reads_all_curves_at_one_place() -> None:
    (first,) = readout(RUN, View(cursor=4.0), 60)
    place, _, figures = first.partition(" │ ")
    assert place == "head epoch 4 · step 504 · 2:55"
    assert figures.startswith("loss ")
    assert "val 0.1518" in figures
    assert "top-1 94.65% val 97.37%" in figures
    assert "lr 0.001" in figures
    assert "2,310 img/s" in figures


def test_marks_tell_what_they_are_under_the_cursor() -> None:
    assert "★ best val 99.57%" in readout(RUN, View(cursor=8.0), 60)[1]
    assert "┊ phase full" in readout(RUN, View(cursor=8.0), 60)[1]
    assert "▼ patience 7 → 5, 14:" in readout(RUN, View(cursor=9.0), 60)[1]
    assert len(readout(RUN, View(cursor=5.0), 60)) == 1
    assert readout(RUN, View(), 60) == []


def test_the_cursor_goes_from_mark_to_mark() -> None:
    view, seen = View(), []
    for _ in range(4):
        view = chart_view.to_mark(RUN, view, forward=True)
        seen.append(view.cursor)
    assert seen == [8.0, 9.0, 9.0, 9.0]
    assert chart_view.to_mark(RUN, view, forward=False).cursor == 8.0
    assert chart_view.to_mark(RUN, View(), forward=False).cursor == 9.0


@pytest.mark.parametrize("axis", AXES)
def test_what_is_around_the_pointer_stays_there(axis: str) -> None:
    view = chart_view.zoomed(RUN, View(axis=axis), 0.5, around=4.0)
    assert view.window is not None
    place = chart_view.to_axis(RUN, view)
    start, end = map(place, view.window)
    whole = place(END)
    assert (end - start) == pytest.approx(whole / 2)
    assert (place(4.0) - start) / (end - start) == pytest.approx(place(4.0) / whole)


@pytest.mark.parametrize("axis", AXES)
def test_the_cursor_moves_by_columns_and_takes_the_window_along(axis: str) -> None:
    view = chart_view.zoomed(RUN, View(axis=axis), 0.25, around=0.0)
    view = chart_view.moved(RUN, view, 51, 1)
    assert view.cursor == pytest.approx(0.0, abs=1e-6)
    for _ in range(60):
        view = chart_view.moved(RUN, view, 51, 1)
    assert view.window is not None
    assert view.window[0] > 0
    assert view.window[0] <= (view.cursor or 0) <= view.window[1] + 1e-9


steps = st.lists(
    st.tuples(st.sampled_from(["zoom", "pan", "move", "mark", "point", "axis"]), st.floats(-3, 3)),
    max_size=30,
)


@given(steps)
def test_whatever_is_pressed_the_view_stays_within_the_run(
    pressed: list[tuple[str, float]],
) -> None:
    for state in (RUN, RunState(), fold(scripted.with_nan().records)):
        view = View()
        for what, number in pressed:
            if what == "zoom":
                view = chart_view.zoomed(state, view, abs(number) + 0.1)
            elif what == "pan":
                view = chart_view.panned(state, view, number)
            elif what == "move":
                view = chart_view.moved(state, view, 40, int(10 * number))
            elif what == "mark":
                view = chart_view.to_mark(state, view, number > 0)
            elif what == "point":
                view = chart_view.pointed(state, view, number)
            else:
                view = View(
                    AXES[int(abs(number)) % len(AXES)], window=view.window, cursor=view.cursor
                )
            start, end = chart_view.seen(state, view)
            assert -1e-6 <= start <= end <= chart_view.run_end(state) + 1e-6
            assert view.cursor is None or -1e-6 <= view.cursor <= chart_view.run_end(state) + 1e-6
