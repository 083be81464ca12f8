"""Past runs from the command line, each time as a process of its own."""

import json
from pathlib import Path

import pytest

from core.annotations import annotate
from core.run_actions import delete
from core.runs import RunFolder
from tests.tui.command import run
from tests.tui.disk import some_runs

DONE = "20261124-120000-done"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    some_runs(folder / "runs")
    annotate(folder / "runs" / DONE / "notes.yaml", tags=("small", "[red]"), starred=True)
    annotate(folder / "runs" / "20261124-110000-failed" / "notes.yaml", archived=True)
    return folder


def test_a_query_chooses_rows(folder: Path) -> None:
    result = run("runs", "-status:failed", "top1>0.9", "sort:name", cwd=folder)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [DONE, "20261124-100000-gone"]
    assert "★ #small #[red]" in lines[1]


def test_archived_runs_are_left_out_of_json_too(folder: Path) -> None:
    rows = json.loads(run("runs", "--json", cwd=folder).stdout)
    assert "20261124-110000-failed" not in {row["id"] for row in rows}
    (row,) = json.loads(run("runs", "is:archived", "--json", cwd=folder).stdout)
    assert row["id"] == "20261124-110000-failed"
    assert row["config"]["data.batch_size"] == "64"


def test_a_query_that_is_not_understood_is_wrong_usage(folder: Path) -> None:
    result = run("runs", "top1>95", cwd=folder)
    assert result.returncode == 2
    assert result.stderr.startswith("error: top1>95: top1 takes a fraction")


def test_nothing_that_fits_is_said(folder: Path) -> None:
    assert "none of 6 runs fits" in run("runs", "nothing-like-it", cwd=folder).stdout


def test_the_trash_is_listed_and_gives_back(tmp_path: Path) -> None:
    some_runs(tmp_path / "runs")
    assert "0 deleted runs" in run("trash", cwd=tmp_path).stdout
    delete(RunFolder(tmp_path / "runs" / DONE))
    assert DONE in run("trash", cwd=tmp_path).stdout
    assert run("trash", "nothing", cwd=tmp_path).returncode == 2
    assert f"{DONE} is back" in run("trash", "20261124-12", cwd=tmp_path).stdout
    assert (tmp_path / "runs" / DONE).is_dir()
    delete(RunFolder(tmp_path / "runs" / DONE))
    assert "freed" in run("trash", "--empty", cwd=tmp_path).stdout
    assert "0 deleted runs" in run("trash", cwd=tmp_path).stdout
