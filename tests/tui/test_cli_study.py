"""Studies on the command line: started, steered, stopped, killed, resumed, shown and compared."""

import csv
import io
import json
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from core.common.errors import SetupError
from core.config.load import load_config
from core.run.folder import RunFolder
from core.run.lock import is_locked
from core.study import study
from core.study.definition import Study, list_studies
from core.study.state import read_state
from tests.core.study_kit import run_folds
from tests.tui.command import ENDLESS, SMALL, read_until, run, run_new, start
from tui.cli.main import cli

FEW = [*SMALL, "--set", "phases.head.epochs=1", "--set", "phases.full.epochs=0"]


@pytest.fixture(scope="module")
def folds(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A finished study of two folds, for tests that only read it."""
    overrides = [text for text in FEW if text != "--set"]
    config = load_config("default", [f"data.root={photos}", "name=birds", *overrides])
    return run_folds(tmp_path_factory.mktemp("work") / "runs", config, 2).state.study


def only_study(cwd: Path) -> Study:
    (found,) = list_studies(cwd / "runs")
    return found


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_seeds_print_a_line_per_start_and_end_and_a_table(photos: Path, tmp_path: Path) -> None:
    done = run("--no-ui", "--data", str(photos), "--seeds", "2", *FEW, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    found = only_study(tmp_path)
    state = read_state(found)
    runs = [member.run.id for member in state.members if member.run]
    shown = [line[21:] for line in done.stdout.splitlines()]
    assert shown[:2] == [
        f"study {found.id}: 2 seeds",
        f"1 of 2, seed 1029: started, run {runs[0]}",
    ]
    assert shown[2].startswith("1 of 2, seed 1029: finished, best val top-1 ")
    assert shown[3] == f"2 of 2, seed 1030: started, run {runs[1]}"
    assert "best val top-1  " in done.stdout
    assert "(mean ± std of 2 finished runs)" in done.stdout
    assert done.stdout.splitlines()[-1] == f"study folder: {Path('runs') / found.id}"


def test_events_of_all_runs_are_printed_as_json(photos: Path, tmp_path: Path) -> None:
    arguments = ["--no-ui", "--log-format", "json", "--data", str(photos), "--folds", "2", *FEW]
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    events = lines(done.stdout)
    own = [e["type"] for e in events if e.get("study")]
    assert own == ["StudyStarted", *["MemberStarted", "MemberEnded"] * 2, "StudyEnded"]
    journals = [
        path.read_text().splitlines() for path in sorted((tmp_path / "runs").glob("*/events.jsonl"))
    ]
    assert [line for line in done.stdout.splitlines() if "study" not in json.loads(line)] == [
        line for journal in journals for line in journal
    ]
    assert events[-1]["status"] == "finished"
    assert events[-1]["out_of_fold"]["images"] == 36


def test_an_endless_study_is_paused_resumed_and_stopped(photos: Path, tmp_path: Path) -> None:
    arguments = ["--no-ui", "--log-format", "json", "--data", str(photos), "--seeds", "2"]
    process = start(*arguments, *ENDLESS, cwd=tmp_path)
    read_until(process, "EpochEnded")
    pool = ThreadPoolExecutor(1)
    rest = pool.submit(process.communicate)  # a full pipe would keep the study from its end
    found = only_study(tmp_path)
    for action, reply in (("pause", "paused, at step"), ("resume", "resumed, at step")):
        done = run("ctl", found.id, action, "--wait", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert reply in done.stdout
    refused = run("ctl", found.id, "lr", "0.1", cwd=tmp_path)
    assert refused.returncode == 2
    assert "lr is for a run; a study takes pause, resume and stop" in refused.stderr
    done = run("ctl", found.id, "stop", "--wait", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == f"study {found.id} has stopped"
    output, _ = rest.result()
    pool.shutdown()
    assert process.returncode == 0
    assert [m["status"] for m in lines(output)[-1]["members"]] == ["stopped", "waiting"]
    again = run("ctl", found.id, "stop", "--wait", cwd=tmp_path)
    assert (again.returncode, again.stdout) == (
        3,
        f"study {found.id} is not in progress: no process runs it\n",
    )


def test_a_killed_study_resumes_where_it_was(photos: Path, tmp_path: Path) -> None:
    arguments = ["--no-ui", "--log-format", "json", "--data", str(photos), "--seeds", "3"]
    process = start(*arguments, *FEW, "--set", "phases.head.epochs=3", cwd=tmp_path)
    read_until(process, "MemberEnded")
    read_until(process, "EpochEnded")
    process.kill()
    process.communicate()
    found = only_study(tmp_path)
    state = read_state(found)
    assert [m.status for m in state.members] == ["finished", "interrupted", "waiting"]
    done = run("--no-ui", "--resume", found.id, "--log-format", "json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    started = [e for e in lines(done.stdout) if e["type"] == "MemberStarted"]
    assert [(e["label"], e["resumed"]) for e in started] == [
        ("seed 1030", True),
        ("seed 1031", False),
    ]
    assert read_state(found).status == "finished"
    assert len(list((tmp_path / "runs").glob("*-seed-*"))) == 3


def test_sigterm_stops_the_study_with_a_checkpoint(photos: Path, tmp_path: Path) -> None:
    arguments = ["--no-ui", "--log-format", "json", "--data", str(photos), "--folds", "2"]
    process = start(*arguments, *ENDLESS, cwd=tmp_path)
    read_until(process, "EpochEnded")
    os.kill(process.pid, signal.SIGTERM)
    output, _ = process.communicate()
    assert process.returncode == 143
    assert [m["status"] for m in lines(output)[-1]["members"]] == ["stopped", "waiting"]
    assert not is_locked(only_study(tmp_path))


def test_a_failed_member_is_named_and_the_exit_code_is_1(photos: Path, tmp_path: Path) -> None:
    failing = ["phases.head.lr=1e30", "nonfinite=stop", "clip_grad_norm=null"]
    sets = [part for text in failing for part in ("--set", text)]
    done = run("--no-ui", "--data", str(photos), "--seeds", "2", *FEW, *sets, cwd=tmp_path)
    assert done.returncode == 1
    errors = done.stderr.splitlines()
    assert [line.split(":")[1] for line in errors] == [" seed 1029", " seed 1030"]
    assert all("not finite" in line for line in errors)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "1"], "--seeds is 1; expected 2 to 1,000"),
        (["--folds", "1"], "--folds is 1; expected 2 to 1,000"),
        (["--folds", "2", "--seeds", "2"], "are two kinds of study"),
        (["--vary-split"], "--vary-split is for --seeds N"),
        (["--folds", "2", "--vary-split"], "--vary-split is for --seeds N"),
        (["--folds", "3", "--set", "data.folds=3"], "--folds sets data.folds and data.fold"),
        (["--folds", "3", "--set", "data.split=split.csv"], "leave data.folds out"),
        (["--seeds", "2", "--vary-split", "--set", "data.split_seed=1"], "data.split_seed fixes"),
        (["--seeds", "2", "--seed", str(2**63 - 1)], "are not below 2**63"),
        (["--seeds", "2", "--gpus", "2", "--device", "cpu"], "--gpus trains one run"),
        (["--seeds", "2", "--set", "model.weights=none.pt"], "no such file"),
        (["--folds", "20"], "20 folds needs at least 20"),
    ],
)
def test_a_study_that_cannot_start_leaves_nothing(
    arguments: list[str], message: str, photos: Path, tmp_path: Path
) -> None:
    done = run("--no-ui", "--data", str(photos), *FEW, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_study_needs_data_and_a_detached_one_reports_its_error(
    photos: Path, tmp_path: Path
) -> None:
    done = run("--no-ui", "--seeds", "2", cwd=tmp_path)
    assert done.returncode == 2
    assert "data.root is not set; give an image folder with --data DIR" in done.stderr
    done = run("--detach", "--data", str(photos), "--folds", "20", *FEW, cwd=tmp_path)
    assert done.returncode == 2
    assert "20 folds needs at least 20" in done.stderr


@pytest.mark.slow  # in a new process, as one that ends ends those that it started
def test_a_detached_study_runs_in_the_background(photos: Path, tmp_path: Path) -> None:
    done = run_new("--detach", "--data", str(photos), "--seeds", "2", *ENDLESS, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    found = only_study(tmp_path)
    try:
        assert done.stdout == (
            f"study {found.id} runs in the background; show it: convnext-tui show {found.id}\n"
        )
    finally:
        stopped = run("ctl", found.id, "stop", "--wait", cwd=tmp_path)
    assert stopped.stdout.splitlines()[-1] == f"study {found.id} has stopped"


def test_options_that_change_a_study_are_refused_on_resume(folds: Study) -> None:
    for option in (["--set", "device=cpu"], ["--device", "cpu"], ["--data", "."]):
        done = run("--no-ui", "--resume", folds.id, *option, cwd=folds.runs_dir.parent)
        assert done.returncode == 2
        assert f"{option[0]} can't change a study" in done.stderr
    done = run("--resume", folds.id, "--seeds", "3", cwd=folds.runs_dir.parent)
    assert "--seeds is for a new run: omit it with --resume" in done.stderr


def test_runs_name_their_study_and_the_study_is_no_run(folds: Study) -> None:
    cwd = folds.runs_dir.parent
    assert folds.id in run("runs", cwd=cwd, COLUMNS="200").stdout.splitlines()[1]
    rows = json.loads(run("runs", "--json", cwd=cwd).stdout)
    assert [row["study"] for row in rows] == [folds.id] * 2
    assert len(json.loads(run("runs", f"study={folds.id}", "--json", cwd=cwd).stdout)) == 2
    done = run("evaluate", folds.id, cwd=cwd)
    assert done.returncode == 2
    assert "is a study, but a run is needed here" in done.stderr


def test_show_prints_a_study(folds: Study) -> None:
    cwd = folds.runs_dir.parent
    text = run("show", folds.id, cwd=cwd).stdout
    assert text.startswith("birds  2 folds: 2 finished")
    assert "out of fold     36 images, with 95% intervals\n  top-1  " in text
    content = json.loads(run("show", folds.id, "--json", cwd=cwd).stdout)
    assert [m["label"] for m in content["members"]] == ["fold 0", "fold 1"]
    assert content["out_of_fold"]["images"] == 36
    values = [m["best_val_top1"] for m in content["members"]]
    assert content["best_val_top1"]["mean"] == pytest.approx(sum(values) / 2)
    table = list(csv.DictReader(io.StringIO(run("show", folds.id, "--csv", cwd=cwd).stdout)))
    assert [row["data.fold"] for row in table] == ["0", "1"]


def test_compare_takes_a_study_for_its_runs(folds: Study) -> None:
    done = run("compare", folds.id, "--json", cwd=folds.runs_dir.parent)
    assert done.returncode == 0
    assert [one["name"] for one in json.loads(done.stdout)["runs"]] == [
        "birds fold 0",
        "birds fold 1",
    ]


def test_a_run_from_the_configuration_of_a_member_is_no_member(
    folds: Study, tmp_path: Path
) -> None:
    member = next(folds.runs_dir.glob("*-fold-1"))
    done = run("--no-ui", "--config", str(member / "config.yaml"), cwd=tmp_path)
    assert done.returncode == 0
    (row,) = json.loads(run("runs", "--json", cwd=tmp_path).stdout)
    assert row["study"] is None
    assert row["config"]["data.fold"] == "1"
    made = RunFolder(tmp_path / "runs" / row["id"]).split.read_text()
    assert made == (member / "split.csv").read_text()


def test_a_function_call_returns_a_table_of_the_runs(photos: Path, tmp_path: Path) -> None:
    overrides = [text for text in FEW if text != "--set"]
    events: list[Any] = []
    table = study(
        overrides=overrides,
        values={"data.root": str(photos)},
        runs_dir=tmp_path,
        folds=2,
        on_event=events.append,
    )
    assert table["label"].tolist() == ["fold 0", "fold 1"]
    assert table["data.fold"].tolist() == [0, 1]
    assert table["status"].tolist() == ["finished"] * 2
    assert [type(e).__name__ for e in events].count("RunEnded") == 2
    assert all((Path(folder) / "history.csv").exists() for folder in table["folder"])
    assert (Path(table.attrs["study"]) / "out_of_fold.csv").exists()
    for wrong in ({}, {"seeds": 2, "folds": 2}):
        with pytest.raises(SetupError, match="needs either seeds, folds or sweep"):
            study(values={"data.root": str(photos)}, runs_dir=tmp_path, **wrong)


def test_torchrun_starts_no_study(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "job")
    monkeypatch.setenv("RANK", "0")
    result = CliRunner().invoke(cli, ["--data", str(photos), "--seeds", "2"])
    assert str(result.exception) == (
        "torchrun trains one run on several GPUs: start a study without it"
    )


def test_a_study_without_runs_is_not_compared(folds: Study, tmp_path: Path) -> None:
    shutil.copytree(folds.path, tmp_path / folds.id)
    result = CliRunner().invoke(cli, ["--runs-dir", str(tmp_path), "compare", folds.id])
    assert str(result.exception) == f"study {folds.id} has no runs yet"
