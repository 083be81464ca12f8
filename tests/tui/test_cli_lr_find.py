"""`convnext-tui lr-find` at the command line."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from core.analysis.lr_range import RangeCurve, rising_rates, suggest
from core.session.lr_find import LrRangeTest
from tests.core.test_lr_range import valley
from tests.tui.command import SMALL, run
from tui.cli.lr_find import lr_find
from tui.cli.main import main


def result(losses: list[float], phase: str = "head", configured: float = 1e-3) -> LrRangeTest:
    curve = RangeCurve(rising_rates(1e-6, 10, 100))
    for loss in losses:
        if not curve.add(loss):
            break
    found = suggest(curve)
    return LrRangeTest(phase, "a new classifier", configured, curve, found, 64, 9000, 1029)


def printed(
    test: LrRangeTest | BaseException, photos: Path, *arguments: str
) -> tuple[int, str, dict[str, Any]]:
    """Return exit code, output and arguments of the test when it is replaced by a result."""
    given: dict[str, Any] = {}

    def find(config: object, phase: str | None, **options: object) -> LrRangeTest:
        given.update(options, config=config, phase=phase)
        if isinstance(test, BaseException):
            raise test
        return test

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.session.lr_find.find_lr", find)
        command = ["--data", str(photos), *arguments]
        done = CliRunner().invoke(lr_find, command, standalone_mode=False)
    code = 1 if done.exception else done.return_value if done.return_value else done.exit_code
    return code, done.output, given


def test_the_chart_marks_the_suggestion_and_names_its_option(photos: Path) -> None:
    code, output, _ = printed(result(valley(0.05)), photos, "--width", "80")
    assert code == 0
    lines = output.splitlines()
    assert lines[0].startswith("training loss of phase head, ")
    assert "ended early: the loss diverged" in output
    assert all(len(line) <= 80 for line in lines)
    assert " suggested" in output
    assert any(all(tick in line for tick in ("1e-5", "1e-3", "1e-1")) for line in lines)
    rate = json.loads(printed(result(valley(0.05)), photos, "--json")[1])["suggested"]
    assert f"to use it: --set phases.head.lr={rate:.2g}" in lines
    assert f"★ suggested {rate:.2g}" in output
    assert "▲ configured 0.001" in output


def test_the_suggestion_is_compared_with_the_configured_rate(photos: Path) -> None:
    rate = suggest(result(valley()).curve).rate
    assert rate is not None
    for configured, text in (
        (rate, "close to the configured"),
        (rate / 5, "5x the configured"),
        (rate * 5, "1/5 of the configured"),
    ):
        assert text in printed(result(valley(), configured=configured), photos)[1]


def test_without_a_suggestion_the_reason_is_printed(photos: Path) -> None:
    code, output, _ = printed(result([2.0] * 100), photos)
    assert code == 0
    assert "no suggestion: the loss does not fall clearly" in output
    assert "--set" not in output
    content = json.loads(printed(result([2.0] * 100), photos, "--json")[1])
    assert content["suggested"] is None
    assert content["option"] is None
    assert content["reason"].startswith("the loss does not fall clearly")


def test_a_narrow_range_has_ticks_between_powers_of_ten(photos: Path) -> None:
    curve = RangeCurve(rising_rates(1e-3, 9e-3, 40))
    for loss in [2.0] * 40:
        curve.add(loss)
    narrow = LrRangeTest("head", "a new classifier", 1e-3, curve, suggest(curve), 64, 9000, 1029)
    _, output, _ = printed(narrow, photos)
    assert "2e-3" in output
    assert "5e-3" in output


def test_a_run_gives_configuration_and_weights(trained: Path, photos: Path) -> None:
    _, _, given = printed(result(valley()), photos, "--from", str(trained), "--phase", "full")
    assert given["start"].path == trained
    assert given["config"].phases.full.lr == 0.003
    _, _, given = printed(result(valley()), photos, "--from", str(trained), "--config", "default")
    assert given["config"].phases.full.lr == 1e-3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", ".", "--min-lr", "1", "--max-lr", "0.1"], "--min-lr 1 is not below --max-lr"),
        (["--data", ".", "--set", "phases.head.epochs=0", "--phase", "head"], "is skipped"),
        (["--data", ".", "--min-lr", "nan"], "nan is not a positive number"),
        (["--data", ".", "--max-lr", "inf"], "inf is not a positive number"),
        (["--data", ".", "--steps", "5"], "5 is not in the range"),
        (["--data", "nowhere"], "nowhere"),
        (["--demo", "--data", "."], "--demo has its own data and preset"),
        ([], "data.root is not set"),
        (["--data", ".", "--from", "nothing"], "no run 'nothing'"),
    ],
)
def test_invalid_arguments_are_reported_before_torch_is_imported(
    arguments: list[str],
    message: str,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(photos)
    monkeypatch.setattr("tui.cli.main.end_within", lambda *arguments: None)
    with pytest.raises(SystemExit) as end:
        main(["lr-find", *arguments])
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_ctrl_c_ends_the_test_with_130_and_leaves_nothing(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The signal comes in the middle of the test, from a step of the training."""
    from core.training import lr_range_test

    step, steps = lr_range_test._step, []

    def interrupt(*arguments: Any) -> float:
        steps.append(1)
        if len(steps) == 10:
            os.kill(os.getpid(), signal.SIGINT)
        return step(*arguments)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tui.cli.main.end_within", lambda *arguments: None)
    monkeypatch.setattr(lr_range_test, "_step", interrupt)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(SystemExit) as end:
            main(["lr-find", "--data", str(photos), *SMALL])
    finally:
        signal.signal(signal.SIGINT, before)
    assert end.value.code == 130
    assert len(steps) == 10
    assert list(tmp_path.iterdir()) == []
    assert "Traceback" not in capsys.readouterr().err


def test_json_of_a_real_test_in_a_process(photos: Path, tmp_path: Path) -> None:
    few = ("--steps", "20", "--json")
    done = run("lr-find", "--data", str(photos), *SMALL, *few, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert (content["phase"], content["key"]) == ("head", "phases.head.lr")
    assert len(content["lr"]) == len(content["loss"]) == 20
    assert list(tmp_path.iterdir()) == []


def test_the_result_is_read_from_its_values() -> None:
    test = result(valley(0.05))
    values = json.loads(json.dumps(test.to_dict()))
    assert LrRangeTest.from_dict(values).to_dict() == values


def test_progress_is_printed_as_json_lines(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from core.events.types import Preparing, Progress

    def find(config: object, phase: str | None, **options: Any) -> LrRangeTest:
        options["on_event"](Preparing(stage="reading", done=3, total=0))
        numbers = {"loss": 1.0, "top1": 0.5, "lr": 0.1, "seconds": 2.0}
        position = {"phase": "head", "stage": "train", "epoch": 2, "step": 4, "steps": 9}
        options["on_event"](Progress(**position, **numbers, global_step=4))  # type: ignore[arg-type]
        return result(valley())

    monkeypatch.setattr("core.session.lr_find.find_lr", find)
    monkeypatch.setattr("tui.cli.main.end_within", lambda *arguments: None)
    with pytest.raises(SystemExit) as end:
        main(["lr-find", "--data", str(photos), "--json", "--progress"])
    assert end.value.code == 0
    captured = capsys.readouterr()
    assert [json.loads(line) for line in captured.err.splitlines()] == [
        {"stage": "reading", "done": 3, "total": None},
        {"stage": "training the classifier head, epoch 2", "done": 4, "total": 9},
    ]
    assert json.loads(captured.out)["phase"] == "head"
