"""Sweeps on the command line: started, shared by workers, killed, resumed, shown, queued."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from core.common.errors import SetupError
from core.config.load import load_config
from core.queue import announce
from core.queue.run_job import JobProcess
from core.queue.store import Queue
from core.study.definition import SWEEP, Study, create_study, list_studies
from core.study.locks import is_worked_on
from core.study.state import read_state
from core.study.sweep.options import sweep_options
from tests.core.study_kit import Watcher, run_sweep
from tests.tui.command import SMALL, read_until, run, start
from tui.cli.main import cli
from tui.text.study_table import print_study, short_keys

FEW = [*SMALL, "--set", "phases.head.epochs=1", "--set", "phases.full.epochs=0"]
OVERRIDES = [text for text in FEW if text != "--set"]
RANGES = ["--sweep", "phases.head.lr=[0.001, 0.01]", "--sampler", "grid"]


def config_of(photos: Path) -> Any:
    return load_config("default", [f"data.root={photos}", "name=birds", *OVERRIDES])


@pytest.fixture(scope="module")
def sweep(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A finished sweep of three trials, for tests that only read it."""
    runs_dir = tmp_path_factory.mktemp("work") / "runs"
    ranges: dict[str, object] = {"phases.head.lr": "1e-4..1e-1:log"}
    return run_sweep(runs_dir, config_of(photos), ranges, trials=3).state.study


def spec(folder: Path, photos: Path, **more: object) -> None:
    content = {
        "data": str(photos),
        "overrides": dict(text.split("=") for text in OVERRIDES),
        "sweep": {"phases.head.lr": "1e-4..1e-1:log"},
        "trials": 3,
        **more,
    }
    # JSON is YAML; the values of --set are text.
    (folder / "spec.yaml").write_text(json.dumps(content))


def only_study(cwd: Path) -> Study:
    (found,) = list_studies(cwd / "runs")
    return found


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_file_starts_a_sweep(photos: Path, tmp_path: Path) -> None:
    spec(tmp_path, photos, objective="val_loss")
    done = run("sweep", "spec.yaml", "--no-ui", "--trials", "2", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    state = read_state(only_study(tmp_path))
    assert [member.status for member in state.members] == ["finished"] * 2
    shown = [line[21:] for line in done.stdout.splitlines()]
    assert shown[0] == f"study {state.study.id}: 2 trials"
    assert shown[1].startswith("1 of 2, trial 1: started with phases.head.lr=")
    assert shown[2].startswith("1 of 2, trial 1: finished, lowest val loss ")
    assert state.best is not None
    assert f"lowest val loss  {state.best.objective:.4f} in {state.best.member.label}: " in (
        done.stdout
    )


def test_trials_are_printed_as_json(photos: Path, tmp_path: Path) -> None:
    arguments = ["--no-ui", "--log-format", "json", "--data", str(photos), *FEW, *RANGES]
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    own = [event for event in lines(done.stdout) if event.get("study")]
    assert [event["type"] for event in own] == [
        "StudyStarted",
        *["MemberStarted", "MemberEnded"] * 2,
        "StudyEnded",
    ]
    assert own[1]["values"] == {"phases.head.lr": 0.001}
    assert own[-1]["objective"] == {"figure": "val_top1", "maximize": True}
    assert own[-1]["best"]["objective"] == max(row["objective"] for row in own[-1]["members"])


def test_a_sweep_is_shown_as_table_json_and_csv(sweep: Study) -> None:
    cwd, state = sweep.runs_dir.parent, read_state(sweep)
    text = run("show", sweep.id, cwd=cwd).stdout
    assert "3 trials: 3 finished" in text
    heading = next(line for line in text.splitlines() if line.startswith("member"))
    assert heading.split()[:3] == ["member", "lr", "status"]
    assert heading.endswith("best val top-1")
    console = Console(file=io.StringIO(), width=50)
    print_study(console, state, None)
    narrow = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in narrow
    assert narrow.splitlines()[2].split()[:3] == ["member", "lr", "status"]
    assert narrow.splitlines()[2].endswith("best val top-1")
    tree = json.loads(run("show", sweep.id, "--json", cwd=cwd).stdout)
    assert [row["objective"] for row in tree["members"]] == [m.objective for m in state.members]
    assert tree["best"]["label"] == state.best.member.label if state.best else False
    rows = list(csv.DictReader(io.StringIO(run("show", sweep.id, "--csv", cwd=cwd).stdout)))
    assert [float(row["phases.head.lr"]) for row in rows] == [
        member.member.values["phases.head.lr"] for member in state.members
    ]
    listed = json.loads(run("runs", f"study={sweep.id}", "--json", cwd=cwd).stdout)
    assert len(listed) == 3
    assert "trial" in run("compare", sweep.id, cwd=cwd).stdout


def test_a_sweep_before_its_first_trial_is_shown(photos: Path, tmp_path: Path) -> None:
    config = config_of(photos)
    options = sweep_options(config, {"phases.head.lr": "1e-4..1e-1:log"}, trials=2)
    study = create_study(tmp_path / "runs", SWEEP, config, options)
    done = run("show", study.id, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 trials: 2 waiting" in done.stdout
    done = run("show", study.id, "--csv", cwd=tmp_path)
    assert len(done.stdout.splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sweep", "phases.head.lrr=1..2", "--trials", "2"], "unknown key 'phases.head.lrr'"),
        (["--sweep", "phases.head.lr=0..1:log", "--trials", "2"], "must be above 0"),
        (["--sweep", "phases.head.lr=0.1..1"], "--sampler tpe needs --trials N"),
        ([*RANGES, "--trials", "0"], "--trials is 0"),
        ([*RANGES, "--seeds", "2"], "--seeds and --sweep are two kinds of study"),
        ([*RANGES, "--seeds", "0"], "--seeds and --sweep are two kinds of study"),
        (["--trials", "2"], "--trials is for --sweep KEY=RANGE"),
        (["--pruner", "median"], "--pruner is for --sweep KEY=RANGE"),
        ([*RANGES, "--gpus", "2"], "--gpus trains one run on several GPUs"),
        ([*RANGES, "--resume", "x"], "--sweep is for a new run"),
        ([*RANGES, "--sampler", "cmaes"], "Invalid value for '--sampler'"),
        ([*RANGES, "--objective", "lr"], "--objective is 'lr'; expected train_loss"),
    ],
)
@pytest.mark.parametrize("place", [[], ["queue", "add"]])
def test_a_sweep_that_cannot_start_is_refused(
    place: list[str],
    arguments: list[str],
    said: str,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    data = [] if "--resume" in arguments else ["--data", str(photos)]
    result = CliRunner().invoke(cli, [*place, "--no-ui", *data, *FEW, *arguments])
    shown = str(result.exception) if isinstance(result.exception, SetupError) else result.output
    assert said in shown
    assert result.exit_code in (1, 2)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("sweep: {phases.head.lr: 1..2}\ntrails: 3\n")
    done = run("sweep", "spec.yaml", "--no-ui", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: spec.yaml: unknown key 'trails'; did you mean trials?\n"
    assert not (tmp_path / "runs").exists()


def test_two_workers_share_a_sweep_and_a_killed_one_loses_nothing(
    photos: Path, tmp_path: Path
) -> None:
    arguments = ["--no-ui", "--log-format", "json", "--data", str(photos), *FEW]
    ranges = ["--set", "phases.head.epochs=3", "--sweep", "phases.head.lr=1e-4..1e-1:log"]
    first = start(*arguments, *ranges, "--trials", "5", cwd=tmp_path)
    read_until(first, "MemberEnded")
    read_until(first, "EpochEnded")
    found = only_study(tmp_path)
    # While trial 2 is being trained, another worker takes the next ones.
    second = start("--no-ui", "--resume", found.id, "--log-format", "json", cwd=tmp_path)
    started = read_until(second, "MemberStarted")
    assert started["member"] >= 3
    first.kill()
    first.communicate()
    output, _ = second.communicate()
    assert second.returncode == 0
    members = [started, *(e for e in lines(output) if e["type"] == "MemberStarted")]
    state = read_state(found)
    assert [member.status for member in state.members] == ["finished"] * 5
    assert not is_worked_on(found)
    # The killed worker's trial was resumed or had just ended; nothing was trained twice.
    assert len(list((tmp_path / "runs").glob("*-trial-*"))) == 5
    assert [e["resumed"] for e in members if e["member"] == 2] in ([True], [])
    assert len({e["member"] for e in members}) == len(members)


def test_a_stopped_sweep_waits_for_its_resumption(photos: Path, tmp_path: Path) -> None:
    arguments = ["--no-ui", "--log-format", "json", "--data", str(photos), *FEW]
    endless = ["--set", "phases.head.early_stopping.patience=100000"]
    ranges = ["--sweep", "phases.head.epochs=[100000, 100001]", "--sampler", "grid"]
    process = start(*arguments, *endless, *ranges, cwd=tmp_path)
    read_until(process, "EpochEnded")
    found = only_study(tmp_path)
    done = run("ctl", found.id, "stop", cwd=tmp_path)
    assert done.returncode == 0
    process.communicate()
    assert process.returncode == 0
    state = read_state(found)
    assert [member.status for member in state.members] == ["stopped", "waiting"]
    assert state.members[1].member.values == {"phases.head.epochs": 100001}


def test_a_sweep_in_the_queue_has_the_options_of_its_file(photos: Path, tmp_path: Path) -> None:
    spec(tmp_path, photos, name="lr of birds")
    done = run("queue", "add", "sweep", "spec.yaml", "--trials", "2", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    (job,) = Queue(tmp_path / "runs").read().jobs
    assert job.arguments[:4] == ("--data", str(photos), "--set", "model.name=test_convnext")
    assert job.arguments[-4:] == ("--sweep", "phases.head.lr=1e-4..1e-1:log", "--trials", "2")
    assert "lr of birds" in job.arguments
    spec(tmp_path, photos, trials="many")
    done = run("queue", "add", "sweep", "spec.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert "trials is 'many'" in done.stderr
    assert len(Queue(tmp_path / "runs").read().jobs) == 1


def test_an_interrupted_study_in_the_queue_is_resumed(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs_dir = tmp_path / "runs"
    done = run("queue", "add", "--data", str(photos), *FEW, *RANGES, cwd=tmp_path)
    assert done.returncode == 0
    queue = Queue(runs_dir)
    (job,) = queue.read().jobs
    monkeypatch.setenv(announce.VARIABLE, str(queue.job_run(job.number)))
    ranges: dict[str, object] = {"phases.head.lr": [0.001, 0.01]}

    class Stopping(Watcher):
        def member_ended(self, member: Any) -> None:
            assert self.worker is not None
            self.worker.stop("asked to stop")

    state = run_sweep(runs_dir, config_of(photos), ranges, Stopping(), sampler="grid").state
    assert [member.status for member in state.members] == ["finished", "waiting"]
    assert queue.run_of(job.number) == state.study.id
    resumed = JobProcess(queue, job.number, 2, -1, ())._arguments(job)
    assert resumed[-2:] == ["--resume", state.study.id]
    done = run(*resumed, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert [member.status for member in read_state(state.study).members] == ["finished"] * 2


def test_a_sweep_stands_for_its_best_trials(sweep: Study, photos: Path, tmp_path: Path) -> None:
    cwd = sweep.runs_dir.parent
    state = read_state(sweep)
    ranked = sorted(state.members, key=lambda one: one.objective or 0, reverse=True)
    ids = [member.run.id for member in ranked if member.run]
    alone = run("compare", sweep.id, "--json", cwd=cwd)
    assert [row["id"] for row in json.loads(alone.stdout)["runs"]] == ids
    assert alone.stderr == ""
    both = run("compare", sweep.id, ids[2], "--json", cwd=cwd)
    assert [row["id"] for row in json.loads(both.stdout)["runs"]] == [ids[0], ids[2]]
    assert both.stderr == f"study {sweep.id}: the best trial of 3 trials\n"


def test_names_of_keys_are_short_but_unique() -> None:
    keys = ["phases.head.lr", "phases.full.lr", "phases.head.epochs", "seed"]
    assert list(short_keys(keys, ("epochs", "seed")).values()) == [
        "head.lr",
        "full.lr",
        "head.epochs",
        "seed",
    ]
