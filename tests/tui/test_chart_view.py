from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.run.state import RunState, fold
from tests.tui import scripted
from tui.charts import view as chart_view
from tui.charts.readout import broken_at_separators, readout
from tui.charts.view import AXES, ChartView
from tui.charts.viewport import Viewport

RUN = fold(scripted.running().records)
END = chart_view.run_end(RUN)


def test_the_readout_has_all_figures_at_the_cursor() -> None:
    (first,) = readout(RUN, ChartView(cursor=4.0), 60)
    position, _, figures = first.partition(" │ ")
    assert position == "head epoch 4 · step 504 · 2:55"
    assert figures.startswith("loss ")
    assert "val 0.1518" in figures
    assert "top-1 94.65% val 97.37%" in figures
    assert "lr 0.001" in figures
    assert "2,310 img/s" in figures


def test_the_readout_is_broken_between_figures() -> None:
    lines = readout(RUN, ChartView(cursor=4.0), 60)
    broken = broken_at_separators(lines, 78)
    assert " · ".join(broken) == " · ".join(lines)
    assert len(broken) > 1
    assert all(len(line) <= 78 for line in broken)
    assert broken_at_separators(["a" * 90 + " · b"], 78) == ["a" * 90, "b"]


def test_markers_are_described_under_the_cursor() -> None:
    assert "★ best val 99.57%" in readout(RUN, ChartView(cursor=8.0), 60)[1]
    assert "┊ phase full" in readout(RUN, ChartView(cursor=8.0), 60)[1]
    assert "▼ patience 7 → 5, 14:" in readout(RUN, ChartView(cursor=9.0), 60)[1]
    assert len(readout(RUN, ChartView(cursor=5.0), 60)) == 1
    assert readout(RUN, ChartView(), 60) == []


def test_the_cursor_moves_from_marker_to_marker() -> None:
    view, cursors = ChartView(), []
    for _ in range(4):
        view = chart_view.to_marker(RUN, view, forward=True)
        cursors.append(view.cursor)
    assert cursors == [8.0, 9.0, 9.0, 9.0]
    assert chart_view.to_marker(RUN, view, forward=False).cursor == 8.0
    assert chart_view.to_marker(RUN, ChartView(), forward=False).cursor == 9.0


@pytest.mark.parametrize("axis", AXES)
def test_zoom_keeps_the_position_of_the_pointer(axis: str) -> None:
    view = ChartView(axis=axis)
    to_axis = chart_view.to_axis(RUN, view)
    pointer, whole = to_axis(4.0), to_axis(END)
    view = chart_view.adjusted(RUN, view, lambda viewport: viewport.zoom(0.5, pointer))
    assert view.window is not None
    start, end = map(to_axis, view.window)
    assert (end - start) == pytest.approx(whole / 2)
    assert (pointer - start) / (end - start) == pytest.approx(pointer / whole)


@pytest.mark.parametrize("axis", AXES)
def test_the_cursor_moves_by_columns_and_the_window_follows(axis: str) -> None:
    view = ChartView(axis=axis)
    view = chart_view.adjusted(RUN, view, lambda viewport: viewport.zoom(0.25, around=0.0))
    view = chart_view.adjusted(RUN, view, lambda viewport: viewport.move_cursor(1, 51))
    assert view.cursor == pytest.approx(0.0, abs=1e-6)
    for _ in range(60):
        view = chart_view.adjusted(RUN, view, lambda viewport: viewport.move_cursor(1, 51))
    assert view.window is not None
    assert view.window[0] > 0
    assert view.window[0] <= (view.cursor or 0) <= view.window[1] + 1e-9


steps = st.lists(
    st.tuples(
        st.sampled_from(["zoom", "pan", "move", "marker", "point", "axis"]), st.floats(-3, 3)
    ),
    max_size=30,
)


def after(state: RunState, view: ChartView, step: str, number: float) -> ChartView:
    if step == "marker":
        return chart_view.to_marker(state, view, number > 0)
    if step == "axis":
        return replace(view, axis=AXES[int(abs(number)) % len(AXES)])
    changes: dict[str, Callable[[Viewport], Viewport]] = {
        "zoom": lambda viewport: viewport.zoom(abs(number) + 0.1),
        "pan": lambda viewport: viewport.pan(number),
        "move": lambda viewport: viewport.move_cursor(int(10 * number), 40),
        "point": lambda viewport: viewport.point(number),
    }
    return chart_view.adjusted(state, view, changes[step])


@given(steps)
def test_after_any_keys_the_view_stays_within_the_run(pressed: list[tuple[str, float]]) -> None:
    for state in (RUN, RunState(), fold(scripted.with_nan().records)):
        view = ChartView()
        for step, number in pressed:
            view = after(state, view, step, number)
            start, end = chart_view.visible_range(state, view)
            assert -1e-6 <= start <= end <= chart_view.run_end(state) + 1e-6
            assert view.cursor is None or -1e-6 <= view.cursor <= chart_view.run_end(state) + 1e-6


@given(steps.map(lambda each: [step for step in each if step[0] not in ("marker", "axis")]))
def test_a_viewport_stays_within_an_axis_that_starts_below_zero(
    pressed: list[tuple[str, float]],
) -> None:
    viewport = Viewport(-7.0, 2.0)
    for step, number in pressed:
        viewport = {
            "zoom": viewport.zoom(abs(number) + 0.1),
            "pan": viewport.pan(number),
            "move": viewport.move_cursor(int(10 * number), 40),
            "point": viewport.point(number),
        }[step]
        start, end = viewport.visible
        assert -7 - 1e-9 <= start <= end <= 2 + 1e-9
        assert viewport.cursor is None or -7 - 1e-9 <= viewport.cursor <= 2 + 1e-9


def test_a_new_cursor_enters_at_the_end_that_it_comes_from() -> None:
    assert Viewport(0.0, 10.0).move_cursor(1, 50).cursor == 0.0
    assert Viewport(0.0, 10.0).move_cursor(-1, 50).cursor == 10.0
    assert Viewport(0.0, 10.0, latest=6.5).move_cursor(-1, 50).cursor == 6.5
    assert Viewport(0.0, 10.0, window=(2.0, 4.0), latest=6.5).move_cursor(-1, 50).cursor == 4.0


def test_reset_shows_everything_without_a_cursor() -> None:
    assert Viewport(0.0, 8.0).zoom(0.5, 2.0).point(0.5).reset() == Viewport(0.0, 8.0)
