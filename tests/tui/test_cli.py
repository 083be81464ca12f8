import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from tests.make_images import make_images
from tests.tools.processes import Process
from tests.tui.command import ENDLESS, SMALL, command, environment, read_until, run, run_new, start


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_images(tmp_path_factory.mktemp("data") / "photos", classes=3, per_class=8)
    (root / "class_0" / "cut [bold]short.jpg").write_bytes(b"\xff\xd8\xff\xe0 no image")
    odd = root / "class_1" / "000.png"
    # Pillow warns about this EXIF block on standard error of the process that reads it.
    with Image.open(odd) as image:
        image.save(odd, exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03\0")
    return root


@pytest.fixture(scope="module")
def finished(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A working directory with a run that was trained with `--log-format json`, and its output."""
    cwd = tmp_path_factory.mktemp("work")
    arguments = ["--no-ui", "--log-format", "json", "--data", str(photos), "--name", "small"]
    done = run(*arguments, *SMALL, "--set", "data.workers=1", cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    return cwd, done.stdout


@pytest.mark.slow
def test_a_new_process_trains_and_writes_no_error(photos: Path, tmp_path: Path) -> None:
    arguments = ["--no-ui", "--log-format", "json", "--data", str(photos), *SMALL]
    done = run_new(*arguments, "--set", "data.workers=1", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (only_run(tmp_path) / "events.jsonl").read_text()


def only_run(cwd: Path) -> Path:
    (folder,) = (cwd / "runs").iterdir()
    return folder


def strict(line: str) -> dict[str, object]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not strict JSON")

    return json.loads(line, parse_constant=refuse)


def test_commands_that_only_read_import_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from tui.cli.main import main\n"
        "for arguments in (['--help'], ['--version'], ['runs'], ['keys']):\n"
        "    try:\n"
        "        main(arguments)\n"
        "    except SystemExit as ended:\n"
        "        assert not ended.code, arguments\n"
        "    loaded = {'torch', 'timm', 'torchvision', 'pandas'} & sys.modules.keys()\n"
        "    assert not loaded, (arguments, loaded)\n"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment(), timeout=60
    )


def test_version(tmp_path: Path) -> None:
    assert run("--version", cwd=tmp_path).stdout.startswith("convnext-tui, version ")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--set", "data.bach_size=4"], "did you mean 'data.batch_size'?"),
        (["--set", "data.batch_size=many"], "data.batch_size is 'many'; expected a whole"),
        (["--set", "device=tpu"], "device is 'tpu'; expected auto or cpu or cuda or mps"),
        (["--set", "data.augment.preset=stronk"], "is 'stronk'; expected custom or none or light"),
        (["--set", "data.augment.auto_augment=randm9"], "did you mean 'rand'?"),
        (["--set", "data.augment.auto_augment=rand-mX"], "from 0 to 30 instead of 'mX'"),
        (["--set", "data.batch_size"], "is not KEY=VALUE"),
        (["--config", "animals"], "did you mean 'animals20'?"),
        (["--set", "model.weights=nothing.pth"], "nothing.pth: no such file"),
        (["--data", "nowhere"], "nowhere: no such folder"),
        (["--demo"], "--demo has its own data"),
        (["--set", "phases.head.epochs=0", "--set", "phases.full.epochs=0"], "both 0"),
    ],
)
def test_an_invalid_value_is_refused_in_one_line_and_nothing_is_created(
    arguments: list[str], error: str, photos: Path, tmp_path: Path
) -> None:
    data = [] if "--data" in arguments else ["--data", str(photos)]
    done = run("--no-ui", *data, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert error in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_option_is_invalid_usage(tmp_path: Path) -> None:
    assert run("--no-uy", cwd=tmp_path).returncode == 2


def test_no_ui_without_data_names_the_options(tmp_path: Path) -> None:
    done = run("--no-ui", cwd=tmp_path)
    assert (done.returncode, "--no-ui needs a run" in done.stderr) == (2, True)


def test_without_a_terminal_the_app_does_not_open(tmp_path: Path) -> None:
    done = run(cwd=tmp_path)
    assert (done.returncode, "no terminal" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--set", "model.name=convnext_atoo"], "did you mean convnext_atto"),
        (["--set", "model.pretrained=true"], "model.weights=FILE"),
    ],
)
def test_an_unavailable_model_leaves_nothing_behind(
    arguments: list[str], error: str, photos: Path, tmp_path: Path
) -> None:
    (work := tmp_path / "work").mkdir()
    # Forked processes are offline and have no cache of weights.
    done = run("--no-ui", "--data", str(photos), *SMALL, *arguments, cwd=work)
    assert done.returncode == 2
    assert error in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(work.iterdir()) == []


def test_json_output_is_the_journal(finished: tuple[Path, str]) -> None:
    cwd, output = finished
    journal = (only_run(cwd) / "events.jsonl").read_text()
    assert output == journal
    events = [strict(line) for line in output.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert (events[0]["type"], events[-1]["type"]) == ("RunStarted", "RunEnded")
    assert (events[-1]["outcome"], events[-1]["reason"]) == ("finished", "all phases done")


def test_the_damaged_file_is_named_and_left_out(finished: tuple[Path, str]) -> None:
    cwd, output = finished
    warned = [e for e in map(strict, output.splitlines()) if e["type"] == "Warned"]
    assert [w["files"] for w in warned] == [["class_0/cut [bold]short.jpg"]]
    split = pd.read_csv(only_run(cwd) / "split.csv")
    assert len(split) == 24
    assert set(split["split"]) == {"train", "val"}
    assert not split["path"].str.contains("cut").any()


def test_a_run_folder_is_complete(finished: tuple[Path, str]) -> None:
    folder = only_run(finished[0])
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["phases"]["full"]["scheduler"] == {
        "kind": "plateau",
        "factor": 0.5,
        "patience": 1,
    }
    assert len(pd.read_csv(folder / "history.csv")) == 3
    for name in ("best.pt", "last.pt"):
        content = torch.load(folder / "checkpoints" / name, weights_only=True)
        assert "head.fc.weight" in content["model"]


def test_the_run_list_has_the_run(finished: tuple[Path, str]) -> None:
    cwd, _ = finished
    (row,) = json.loads(run("runs", "--json", cwd=cwd).stdout)
    assert (row["name"], row["status"], row["epochs"]) == (
        "small",
        "finished",
        {"head": 2, "full": 1},
    )
    assert 0 <= row["best_val_top1"] <= 1
    table = run("runs", cwd=cwd).stdout
    assert row["id"] in table
    assert "finished" in table


def test_the_recorded_configuration_starts_the_run_again(
    finished: tuple[Path, str], tmp_path: Path
) -> None:
    recorded = only_run(finished[0]) / "config.yaml"
    more = ["--set", "phases.full.epochs=0", "--seed", "7", "--log-format", "plain"]
    done = run("--no-ui", "--config", str(recorded), *more, cwd=tmp_path)
    assert done.returncode == 0
    again = yaml.safe_load((only_run(tmp_path) / "config.yaml").read_text())
    assert (again["seed"], again["phases"]["full"]["epochs"]) == (7, 0)
    assert again["data"] == yaml.safe_load(recorded.read_text())["data"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_stops(
    number: signal.Signals, code: int, photos: Path, tmp_path: Path
) -> None:
    arguments = ["--no-ui", "--log-format", "json", "--data", str(photos), *ENDLESS]
    with start(*arguments, cwd=tmp_path) as process:
        read_until(process, "EpochEnded")
        process.send_signal(number)
        ended = read_until(process, "RunEnded")
        assert process.wait(60) == code
    assert ended["outcome"] == "stopped"
    last = torch.load(only_run(tmp_path) / "checkpoints" / "last.pt", weights_only=True)
    assert last["train_state"]["phase"] == "head"
    (row,) = json.loads(run("runs", "--json", cwd=tmp_path).stdout)
    assert row["status"] == "stopped"


def test_a_signal_to_the_whole_job_stops_without_failure(photos: Path, tmp_path: Path) -> None:
    workers = ["--set", "data.workers=1"]
    arguments = ["--no-ui", "--log-format", "json", "--data", str(photos), *ENDLESS, *workers]
    with start(*arguments, cwd=tmp_path) as process:
        read_until(process, "EpochEnded")
        os.killpg(process.pid, signal.SIGTERM)
        assert read_until(process, "RunEnded")["outcome"] == "stopped"
        assert process.wait(60) == 143


def test_killed_means_interrupted(photos: Path, tmp_path: Path) -> None:
    arguments = ["--no-ui", "--log-format", "json", "--data", str(photos), *ENDLESS]
    with start(*arguments, cwd=tmp_path) as process:
        read_until(process, "EpochEnded")
        (row,) = json.loads(run("runs", "--json", cwd=tmp_path).stdout)
        assert row["status"] == "running"
        process.kill()
    (row,) = json.loads(run("runs", "--json", cwd=tmp_path).stdout)
    assert row["status"] == "interrupted"


def test_a_closed_output_does_not_end_the_run(photos: Path, tmp_path: Path) -> None:
    arguments = ["--no-ui", "--log-format", "json", "--data", str(photos), *SMALL]
    with start(*arguments, cwd=tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(90) == 0
    journal = (only_run(tmp_path) / "events.jsonl").read_text().splitlines()
    assert json.loads(journal[-1])["outcome"] == "finished"


def test_an_unwritable_folder_is_reported(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file is in the way")
    done = run("--no-ui", "--data", str(photos), *SMALL, cwd=tmp_path)
    assert done.returncode == 2
    assert "choose another --runs-dir" in done.stderr


def test_plain_output_has_no_control_codes_and_a_line_per_epoch(
    photos: Path, tmp_path: Path
) -> None:
    done = run("--no-ui", "--data", str(photos), *SMALL, cwd=tmp_path)
    assert done.returncode == 0
    assert all(c.isprintable() or c == "\n" for c in done.stdout)
    lines = done.stdout.splitlines()
    assert sum(" epoch " in line and ": val " in line for line in lines) == 3
    assert len(lines) < 20
    assert "best.pt" in lines[-1]


def test_on_a_terminal_bars_are_shown_and_lines_are_kept(photos: Path, tmp_path: Path) -> None:
    parent, child = os.openpty()
    arguments = command("--no-ui", "--data", str(photos), *SMALL)
    environ = environment(TERM="xterm-256color", COLUMNS="100", LINES="30")
    with Process(
        arguments[1:], cwd=tmp_path, env=environ, stdin=child, stdout=child, stderr=child
    ) as process:
        os.close(child)
        output = _read_all(parent).decode()
        assert process.wait(60) == 0
    assert "\x1b[" in output
    assert "of at most 2 epochs" in output
    assert "run finished" in output


def test_a_run_that_cannot_start_ends_the_app_with_the_reason(tmp_path: Path) -> None:
    parent, child = os.openpty()
    arguments = command("--data", "nowhere", *SMALL)
    environ = environment(TERM="xterm-256color")
    with Process(
        arguments[1:], cwd=tmp_path, env=environ, stdin=child, stdout=child, stderr=child
    ) as process:
        os.close(child)
        output = _read_all(parent).decode()
        assert process.wait(60) == 2
    assert "error: " in output
    assert "nowhere: no such folder; give the folder that contains" in output
    assert list(tmp_path.iterdir()) == []


def _read_all(terminal: int) -> bytes:
    output = b""
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # the other end is closed: Linux says EIO
            return output
        if not chunk:
            return output
        output += chunk


def test_nan_is_text_in_machine_output(finished: tuple[Path, str]) -> None:
    progress = next(e for e in map(strict, finished[1].splitlines()) if e["type"] == "Progress")
    for value in progress.values():
        assert not (isinstance(value, float) and not math.isfinite(value))


def test_the_cache_is_shown_and_cleared(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "features" / "abc"
    folder.mkdir(parents=True)
    (folder / "rows.f32").write_bytes(bytes(200_000))
    shown = run("cache", cwd=tmp_path, CONVNEXT_TUI_CACHE=str(tmp_path / "cache"))
    assert "features/abc" in shown.stdout
    cleared = run("cache", "--clear", cwd=tmp_path, CONVNEXT_TUI_CACHE=str(tmp_path / "cache"))
    assert cleared.stdout.startswith("freed 2")
    assert not folder.exists()
