import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from core.analysis.scalars import scalars
from core.events import types as ev
from tests.tui import scripted, studies
from tests.tui.command import environment, run
from tests.tui.disk import ODD_NAME, write_run

if TYPE_CHECKING:
    from tensorboardX.proto.event_pb2 import Event

DONE = "20261124-120000-done"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    write_run(tmp_path / "runs", DONE, scripted.finished().records)
    return tmp_path


def test_show_prints_a_summary_with_charts_once(runs: Path) -> None:
    done = run("show", "20261124", cwd=runs)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("✓ animals20  finished")
    for text in (
        "99.57%",
        "early stopping",
        "8,069 train and 897 val images",
        "loss · epoch 2: train",
    ):
        assert text in done.stdout
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_by_default_the_newest_run_is_shown_in_the_given_width(runs: Path) -> None:
    write_run(runs / "runs", "20261125-000000-new", scripted.with_nan().records)
    done = run("show", "--width", "60", "--metric", "lr", cwd=runs)
    assert done.stdout.startswith("! animals20  interrupted")
    assert "learning rate" in done.stdout
    assert "accuracy" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 60


def test_control_codes_in_names_are_escaped(runs: Path) -> None:
    write_run(runs / "runs", "odd", scripted.Script(ODD_NAME).prepare().records)
    done = run("show", "odd", cwd=runs)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert r"[red]a\x1b[2J[/] 写真 [x" in done.stdout


def test_strict_json_and_the_epochs_as_csv(runs: Path) -> None:
    def constant(name: str) -> float:
        raise AssertionError(name)

    write_run(runs / "runs", "20261125-000000-nan", scripted.with_nan().records)
    tree = json.loads(run("show", "--json", cwd=runs).stdout, parse_constant=constant)
    assert tree["history"][1]["val_loss"] == "nan"
    assert tree["config"]["data"]["batch_size"] == 64
    assert [phase["name"] for phase in tree["phases"]] == ["head", "full"]
    rows = list(csv.DictReader(io.StringIO(run("show", DONE, "--csv", cwd=runs).stdout)))
    assert [row["epoch"] for row in rows] == [*map(str, range(1, 9)), "1", "2"]
    assert float(rows[8]["val_top1"]) == 0.9937


@pytest.mark.parametrize("arguments", [("nothing",), ()])
def test_an_unknown_run_is_an_error_of_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run("show", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


def exported(folder: Path) -> "list[Event]":
    """Return the events of an export, by the library's own format: TensorBoard is not needed."""
    from tensorboardX.proto.event_pb2 import Event

    (file,) = folder.iterdir()
    data, offset, found = file.read_bytes(), 0, []
    while offset < len(data):
        length = int.from_bytes(data[offset : offset + 8], "little")
        found.append(Event.FromString(data[offset + 12 : offset + 12 + length]))
        offset += 16 + length
    return found


def test_a_repeated_export_has_every_value_once(runs: Path) -> None:
    for _ in range(2):
        done = run("export-logs", DONE, "--to", "tensorboard", cwd=runs)
        assert done.returncode == 0, done.stderr
        assert "tensorboard --logdir tensorboard" in done.stdout
    losses = [
        (event.step, value.simple_value)
        for event in exported(runs / "tensorboard" / DONE)
        for value in event.summary.value
        if value.tag == "val/loss"
    ]
    assert len(losses) == 10
    assert losses[-1][1] == pytest.approx(0.0325)


def test_a_study_is_exported_with_the_keys_that_vary(tmp_path: Path) -> None:
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    from core.config.schema import Config
    from core.study.definition import create_study

    made = create_study(
        tmp_path / "runs", "seeds", Config(seed=5), {"count": 3, "vary_split": False}, now=0.0
    )
    nothing = run("export-logs", made.id, "--to", "tensorboard", cwd=tmp_path)
    assert nothing.returncode == 2
    assert f"study {made.id} has no runs yet" in nothing.stderr
    for seed in (5, 6):
        id = f"20261124-12000{seed}-seed"
        data = {**Config().data.model_dump(), "split_seed": 5}
        studies.member(tmp_path / "runs", id, 0.9, seed, study=made.id, data=data)
    done = run("export-logs", made.id, "--to", "tensorboard", "--out", "t b", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 runs, ")
    assert f"open with: tensorboard --logdir 't b/{made.id}'" in done.stdout
    found = []
    for folder in sorted((tmp_path / "t b" / made.id).iterdir()):
        values = (value for event in exported(folder) for value in event.summary.value)
        start = next(v for v in values if v.tag == "_hparams_/session_start_info")
        content = HParamsPluginData.FromString(start.metadata.plugin_data.content)
        hparams = content.session_start_info.hparams
        found.append({key: hparams[key].number_value for key in hparams})
    assert found == [{"seed": 5}, {"seed": 6}]


def test_two_exports_within_one_second_keep_the_values(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.run.folder import RunFolder
    from core.run.report import read_report
    from tui.cli.tensorboard import export

    monkeypatch.setattr("time.time", lambda: scripted.START)
    report = read_report(RunFolder(runs / "runs" / DONE))
    for _ in range(2):
        folder, figures = export(report, runs / "out")
    (file,) = folder.iterdir()
    assert figures > 100
    assert file.stat().st_size > 1000


def test_exporting_imports_no_torch(runs: Path) -> None:
    code = (
        "import sys\nfrom tui.cli.main import main\n"
        f"try: main(['export-logs', {DONE!r}, '--to', 'tensorboard'])\n"
        "except SystemExit as e: assert not e.code, e.code\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=runs, env=environment())


def test_a_run_before_its_first_step_has_no_empty_charts(runs: Path) -> None:
    write_run(runs / "runs", "20261125-000000-young", scripted.preparing().records)
    done = run("show", cwd=runs)
    assert done.returncode == 0, done.stderr
    assert "accuracy" not in done.stdout


def test_what_a_resume_has_undone_is_not_exported() -> None:
    script = scripted.Script().prepare().phase("head", 30).epoch("head", 1, 0.9, 0.5)
    kept = script.global_step
    script.epoch("head", 2, 0.8, 0.6)
    script.add(
        ev.RunResumed(
            phase="head", epoch=2, step=0, global_step=kept, checkpoint="checkpoints/last.pt"
        )
    )
    script.global_step = kept
    script.epoch("head", 2, 0.7, 0.7)
    losses = scalars(script.records)["val/loss"]
    assert [round(scalar.value, 3) for scalar in losses] == [0.9, 0.7]
