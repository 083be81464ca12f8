import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.analysis.scalars import scalars
from core.config.limits import MAX_LR, MAX_PATIENCE, lr_problem, patience_problem
from core.events import types as ev
from core.events.record import Record
from core.run.figures import FIGURES
from core.run.state import RunState, fold
from core.run.state_parts import PhaseState
from tests.tui import scripted
from tui.charts.readout import values_text
from tui.charts.run_charts import chart
from tui.charts.view import ChartView
from tui.text import devices, previews, progress, run_status
from tui.text.symbols import sparkline

START = scripted.START


def current(state: RunState) -> PhaseState:
    assert state.current is not None
    return state.current


def test_early_stopping_names_the_epoch_and_the_loss_to_reach() -> None:
    state = fold(scripted.running().records)
    assert run_status.early_stopping_lines(state, "running") == [
        "●○○○○",
        "1 of 5 epochs without improvement",
        "stops after epoch 6 unless val loss drops below 0.0291",
        "lowest val loss 0.0301, epoch 1",
    ]
    assert run_status.early_stopping_lines(state, "running", short=True) == [
        "●○○○○ 1 of 5",
        "stops after epoch 6 unless val loss < 0.0291",
    ]
    assert "stops" not in " ".join(run_status.early_stopping_lines(state, "failed"))


def test_early_stopping_after_the_last_epoch_is_impossible() -> None:
    script = scripted.Script().prepare().phase("head", 3, patience=5).epoch("head", 1, 0.5, 0.6)
    lines = run_status.early_stopping_lines(fold(script.records), "running")
    assert lines[2] == "can't stop early: epoch 3 is the last"


def test_before_the_first_validation_only_the_patience_is_shown() -> None:
    script = scripted.Script()
    assert run_status.early_stopping_lines(fold(script.records), "preparing") == [
        "starts with the first phase"
    ]
    script.prepare().phase("head", patience=4)
    assert (
        run_status.early_stopping_lines(fold(script.records), "running")[0] == "patience 4 epochs"
    )


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("8", "would stop after epoch 9 at the earliest, instead of 6"),
        ("5", "would stop after epoch 6 at the earliest, unchanged"),
        ("2", "would stop after epoch 3, the current one, instead of 6"),
        ("1", "would stop after epoch 3, the current one, instead of 6"),
        ("9", "would run to its last epoch, 10, instead of stopping after 6"),
        (" 100 ", "would run to its last epoch, 10, instead of stopping after 6"),
    ],
)
def test_a_patience_is_previewed(typed: str, first: str) -> None:
    preview = previews.preview_patience(current(fold(scripted.running().records)), typed)
    assert preview.value == int(typed)
    assert preview.lines[0] == first
    assert "2 or less ends the phase after this epoch unless val loss improves" in preview.lines


@pytest.mark.parametrize("typed", ["", "x", "0", "-3", "1.5", "nan", "9" * 5000])
def test_an_invalid_patience_is_an_error(typed: str) -> None:
    preview = previews.preview_patience(current(fold(scripted.running().records)), typed)
    assert preview.value is None
    assert preview.error in (
        "expected a whole number of epochs, 1 or more",
        f"patience must be 1 to 100,000, not {typed}",
    )


@given(st.integers(-3, 10**7) | st.sampled_from([0, 1, MAX_PATIENCE, MAX_PATIENCE + 1]))
def test_the_dialog_accepts_the_patience_that_the_engine_accepts(patience: int) -> None:
    preview = previews.preview_patience(current(fold(scripted.running().records)), str(patience))
    assert (preview.value is not None) is (patience_problem(patience) == "")


@given(st.floats() | st.sampled_from([0.0, MAX_LR, math.nextafter(MAX_LR, 99)]))
def test_the_dialog_accepts_the_learning_rate_that_the_engine_accepts(lr: float) -> None:
    preview = previews.preview_rate(current(fold(scripted.running().records)), repr(lr))
    assert (preview.value is not None) is (lr_problem(lr) == "")


@given(st.text())
def test_a_preview_never_fails(typed: str) -> None:
    phase = current(fold(scripted.running().records))
    for preview in (previews.preview_patience(phase, typed), previews.preview_rate(phase, typed)):
        assert (preview.value is None) == bool(preview.error)


def test_a_learning_rate_is_previewed() -> None:
    phase = current(fold(scripted.running().records))
    assert (
        previews.preview_rate(phase, "5e-5").lines[0]
        == "0.5x the current rate, from the next step on"
    )
    assert previews.preview_rate(phase, "1e-4").lines[0] == "unchanged, from the next step on"
    assert any("far too high" in line for line in previews.preview_rate(phase, "3").lines)
    for typed in ("0", "-1", "nan", "inf", "fast"):
        assert previews.preview_rate(phase, typed).value is None


@pytest.mark.parametrize(
    ("typed", "ratio"),
    [("9.9", "99,000x"), ("0.12345", "1,230x"), ("1e-5", "0.1x"), ("10", "100,000x")],
)
def test_a_large_ratio_of_learning_rates_is_readable(typed: str, ratio: str) -> None:
    phase = current(fold(scripted.running().records))
    first = previews.preview_rate(phase, typed).lines[0]
    assert first == f"{ratio} the current rate, from the next step on"


def test_a_long_silence_is_reported_in_minutes() -> None:
    state = fold(scripted.running().records)
    warning = run_status.stall_warning(state, 247.0)
    assert warning.startswith("no update for 4 min, steps usually take 27.7 ms")
    assert run_status.stall_warning(state, 1.0) == ""


def test_a_value_for_an_ended_phase_is_an_error() -> None:
    phase = current(fold(scripted.finished().records))
    assert previews.preview_patience(phase, "3").error == "phase full has ended"
    assert previews.preview_rate(phase, "1e-4").error == "phase full has ended"


def test_ending_a_phase_names_the_next_one() -> None:
    script = scripted.Script().prepare().phase("head").epoch("head", 1, 0.5, 0.6)
    assert previews.next_phase_question(fold(script.records)) == (
        "Phase head ends after this step; full starts from the best weights so far: "
        "60.00% in epoch 1."
    )
    assert "is the last one" in previews.next_phase_question(fold(scripted.running().records))


def test_phases_are_listed_with_their_status() -> None:
    running = fold(scripted.running().records)
    text = "✓ head 8 epochs, best 99.57% (early stopping) → ● full epoch 3 of 10"
    assert str(run_status.phase_steps(running, "running", len(text))) == text
    assert str(run_status.phase_steps(running, "running", len(text) - 1)) == (
        "✓ head 8 epochs, best 99.57% → ● full epoch 3 of 10"
    )
    assert str(run_status.phase_steps(fold(scripted.failed().records), "failed", 80)).endswith(
        "✗ full interrupted in epoch 3"
    )
    skipped = {"phases": {"head": {"epochs": 0}, "full": {"epochs": 10}}}
    started = ev.RunStarted(run_id="r", name="r", config=skipped)
    state = fold([Record(1, START, started)])
    assert str(run_status.phase_steps(state, "preparing", 80)) == (
        "– head skipped → ○ full up to 10 epochs"
    )


def test_the_first_line_of_a_running_run() -> None:
    state = fold(scripted.running().records)
    assert str(run_status.headline(state, "running", START + 3700)) == (
        "● animals20  running  1:01:40 elapsed  best val 99.57%"
    )


def test_the_remaining_time_of_a_phase_is_an_upper_bound() -> None:
    state = fold(scripted.running().records)
    epoch, phase = map(str, progress.progress_lines(state, "running", 120, 2))
    assert epoch.startswith("epoch 3 train   ━")
    assert epoch.endswith(" 55%  0:21 left · train loss 0.0280")
    assert phase.endswith("5:57 left at most, early stopping may end it sooner")
    [line] = map(str, progress.progress_lines(state, "running", 78, 1))
    assert line.endswith("0:21 left · phase at most 5:57")
    assert len(line) <= 78


def test_no_remaining_time_is_shown_before_it_is_reliable() -> None:
    script = scripted.Script().prepare().phase("head").progress("head", 1, 2, 0.7)
    epoch, phase = map(str, progress.progress_lines(fold(script.records), "running", 100, 2))
    assert "left" not in epoch + phase


@given(st.floats(allow_nan=False), st.integers(0, 80))
def test_a_bar_has_its_width(fraction: float, width: int) -> None:
    assert len(progress.bar(fraction, width)) == width


def test_the_device_panel_with_a_gpu() -> None:
    state = fold(scripted.running().records)
    assert devices.device_title(state) == "cuda:0 · NVIDIA H200"
    assert devices.device_lines(state.device) == [
        "███████░░░░░░░░░ 64.1 of 139 GB",
        "this run 48.1 GB · reserved 51.0 GB",
        "peak 58.9 GB · others 13.1 GB",
        "GPU 97%  61 °C  612 of 700 W",
        "CPU 45% · RAM 41.0 of 128 GB",
        "process 9.30 GB",
    ]
    assert " · ".join(devices.device_parts(state.device)).startswith(
        "64.1 of 139 GB · others 13.1 GB · GPU 97%  61 °C  612 W · CPU 45%"
    )


def test_power_is_shown_without_a_limit_charted_and_exported() -> None:
    sample = ev.DeviceSample(device="cuda:0", power=1312.4)
    assert " · ".join(devices.device_parts(sample)) == "1,312 W"
    records = scripted.running().add(sample).records
    state = fold(records)
    (curve,) = chart(state, FIGURES["power"], ChartView()).curves
    assert [y for _, y in curve.points] == [612.4, 1312.4]
    assert values_text(state, state.x).endswith("1,312 W")
    assert [s.value for s in scalars(records)["device/power_watts"]] == [612.4, 1312.4]


def test_the_device_panel_of_several_ranks_marks_the_slowest() -> None:
    state = fold(scripted.ranks().records)
    assert devices.device_title(state) == "4 ranks · ▸ slowest"
    assert devices.panel_lines(state, short=False)[1:3] == [
        " 1 node1 cuda:1  51.1 GB  91%  waits 20%",
        "▸2 node2 cuda:0  51.2 GB  91%  waits 2%",
    ]
    assert devices.panel_lines(state, short=True) == ["4 ranks, slowest 2 node2 cuda:0"]
    assert state.device is not None
    assert state.device.rank == 0


def test_ranks_that_wait_equally_long_have_no_slowest() -> None:
    samples = [ev.DeviceSample(device="cpu", rank=rank, waits=0.1) for rank in range(8)]
    assert devices.slowest_rank(samples) is None
    state = fold(scripted.Script().records)
    for sample in samples:
        state.devices[sample.rank] = sample
    lines = devices.panel_lines(state, short=False)
    assert (len(lines), lines[-1]) == (6, "… and 3 more ranks")


def test_the_device_panel_without_a_gpu_says_why() -> None:
    state = fold(scripted.with_nan().records)
    assert devices.device_lines(state.device)[-1] == "no NVIDIA driver on this machine"
    assert "no NVIDIA driver" in devices.device_parts(state.device)[0]
    assert devices.device_lines(None) == ["not sampled yet"]
    assert devices.device_lines(ev.DeviceSample(device="cpu")) == ["no measurements"]


def test_throughput_is_shown_where_measured() -> None:
    state = fold(scripted.running().records)
    assert run_status.throughput_lines(state) == ["2,310 img/s", "data wait 3%", "step 27.7 ms"]
    assert run_status.last_epoch_lines(state) == ["last epoch 0:48"]
    assert run_status.last_epoch_lines(RunState()) == []
    assert run_status.throughput_lines(RunState()) == ["not measured yet"]


def test_the_learning_rate_names_its_next_reduction() -> None:
    state = fold(scripted.running().records)
    assert run_status.learning_rate_lines(state, "running") == [
        "0.0001",
        "halves after 2 more epochs without improvement",
        "adam, weight decay 0",
    ]
    assert run_status.learning_rate_lines(state, "failed") == ["0.0001", "adam, weight decay 0"]


def test_sparklines() -> None:
    assert sparkline([3.0, 1.0, 2.75], 8) == "█▁▇"
    assert sparkline([1.0, math.nan, 2.0], 8) == "▁×█"
    assert sparkline([1.0, 1.0], 8) == "▁▁"
    assert sparkline([], 8) == ""
    assert sparkline([math.inf], 8) == "×"


@given(st.lists(st.floats()), st.integers(1, 20))
def test_a_sparkline_is_never_too_long(values: list[float], width: int) -> None:
    assert len(sparkline(values, width)) == min(len(values), width)


def test_problems_of_the_journal_are_reported() -> None:
    assert run_status.record_warnings("", 0, "", True) == ""
    assert run_status.record_warnings("gone", 1, "x", False) == (
        "can't read the journal: gone; retrying; skipped 1 unreadable line of the journal"
    )
    assert (
        run_status.record_warnings("", 0, "another process", True) == "read-only: another process"
    )


def test_a_result_has_the_details_that_fit() -> None:
    state = fold(scripted.finished().records)
    [wide] = map(str, progress.progress_lines(state, "finished", 120, 2))
    assert wide.endswith(" epochs · weights in checkpoints/best.pt")
    [narrow] = map(str, progress.progress_lines(state, "finished", len(wide) - 1, 2))
    assert narrow == wide.removesuffix(" · weights in checkpoints/best.pt")
    [short] = map(str, progress.progress_lines(state, "finished", 20, 2))
    assert short.startswith("best val top-1 ") and "epochs" not in short
