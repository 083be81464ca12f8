"""Commands under torchrun, which starts several of the same process."""

import pytest

from tui.cli.main import main


@pytest.fixture
def under_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "x"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tui.cli.main.end_within", lambda *arguments: None)


def called(*arguments: str) -> object:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code


@pytest.mark.usefixtures("under_torchrun")
@pytest.mark.parametrize(
    "arguments", [("lr-find", "--demo"), ("queue", "start"), ("check", "."), ("runs",)]
)
def test_several_ranks_of_a_subcommand_are_refused(
    arguments: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = f"call `convnext-tui {arguments[0]}` without it"
    assert called(*arguments) == 2
    error = capsys.readouterr().err
    assert error == f"error: torchrun trains one run on several GPUs: {said}\n"
    monkeypatch.setenv("RANK", "1")  # says nothing of its own
    assert (called(*arguments), capsys.readouterr().err) == (2, "")
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("RANK", "0")
    assert called("keys") == 0


@pytest.mark.usefixtures("under_torchrun")
def test_several_ranks_without_a_run_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert called() == 2
    assert (
        "torchrun needs a run: give --data DIR, --demo or --resume RUN" in capsys.readouterr().err
    )
