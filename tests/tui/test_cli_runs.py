"""Commands about past runs, each in a separate process."""

import json
import re
from pathlib import Path

import pytest

from core.run.actions import delete
from core.run.folder import RunFolder, run_folders
from core.run.notes import update_notes
from tests.tui.command import run
from tests.tui.disk import some_runs
from tui.text.own_command import own_command

DONE = "20261124-120000-done"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    some_runs(folder / "runs")
    update_notes(folder / "runs" / DONE / "notes.yaml", tags=("small", "[red]"), starred=True)
    update_notes(folder / "runs" / "20261124-110000-failed" / "notes.yaml", archived=True)
    return folder


def test_a_query_filters_and_sorts(folder: Path) -> None:
    result = run("runs", "-status:failed", "top1>0.9", "sort:name", cwd=folder)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [DONE, "20261124-100000-gone"]
    assert "✦ #small #[red]" in lines[1]


def test_archived_runs_are_not_in_the_json_output_either(folder: Path) -> None:
    rows = json.loads(run("runs", "--json", cwd=folder).stdout)
    assert "20261124-110000-failed" not in {row["id"] for row in rows}
    (row,) = json.loads(run("runs", "is:archived", "--json", cwd=folder).stdout)
    assert row["id"] == "20261124-110000-failed"
    assert row["config"]["data.batch_size"] == "64"


def test_an_invalid_query_is_invalid_usage(folder: Path) -> None:
    result = run("runs", "top1>95", cwd=folder)
    assert result.returncode == 2
    assert result.stderr.startswith("error: top1>95: top1 takes a fraction")


def test_a_query_without_matches_is_reported(folder: Path) -> None:
    assert "no matching runs (of 6)" in run("runs", "nothing-like-it", cwd=folder).stdout


def test_the_trash_is_listed_and_restored(tmp_path: Path) -> None:
    some_runs(tmp_path / "runs")
    assert "0 trashed runs" in run("trash", cwd=tmp_path).stdout
    delete(RunFolder(tmp_path / "runs" / DONE))
    assert DONE in run("trash", cwd=tmp_path).stdout
    assert run("trash", "nothing", cwd=tmp_path).returncode == 2
    assert f"{DONE} restored" in run("trash", "20261124-12", cwd=tmp_path).stdout
    assert (tmp_path / "runs" / DONE).is_dir()
    delete(RunFolder(tmp_path / "runs" / DONE))
    assert "freed" in run("trash", "--empty", cwd=tmp_path).stdout
    assert "0 trashed runs" in run("trash", cwd=tmp_path).stdout


def test_a_beginning_of_several_trashed_runs_restores_none(tmp_path: Path) -> None:
    some_runs(tmp_path / "runs")
    for folder in list(run_folders(tmp_path / "runs"))[:2]:
        delete(folder)
    before = run("trash", cwd=tmp_path).stdout
    done = run("trash", "2026", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: '2026' matches 2 runs")
    assert run("trash", cwd=tmp_path).stdout == before


@pytest.mark.parametrize("name", ["x" * 300, "a/" * 3000, "b\x1b[2J"])
def test_an_impossible_run_is_an_error_of_one_short_line(name: str, folder: Path) -> None:
    for arguments in (("show", name), ("--resume", name), ("trash", name), ("ctl", name, "pause")):
        done = run(*arguments, cwd=folder)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert done.stderr.startswith("error: no run ") and len(done.stderr) < 200
        assert done.stderr.count("\n") == 1 and "\x1b" not in done.stderr


@pytest.mark.parametrize(
    ("runs_dir", "command"),
    [
        ("runs", "convnext-tui attach 20261124-id"),
        ("my runs", "convnext-tui attach 20261124-id --runs-dir '{here}/my runs'"),
    ],
)
def test_a_command_to_paste_finds_the_run(
    runs_dir: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = own_command("attach", RunFolder(Path(runs_dir) / "20261124-id"))
    assert shown == command.format(here=tmp_path)


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_the_list_fits_and_its_columns_are_whole(width: int, folder: Path) -> None:
    printed = run("runs", cwd=folder, COLUMNS=str(width), FORCE_COLOR="1").stdout
    lines = re.sub(r"\x1b\[[0-9;]*m", "", printed).splitlines()
    assert {"run", "status", "best", *(["name"] if width > 60 else [])} <= set(lines[0].split())
    assert all(len(line.rstrip()) <= width and "…" not in line for line in lines)


@pytest.mark.parametrize("command", ["runs", "trash"])
def test_a_named_folder_of_runs_that_is_missing_is_an_error(command: str, tmp_path: Path) -> None:
    done = run(command, "--runs-dir", "nowhere", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "error: --runs-dir nowhere: no such folder\n")
    assert run(command, cwd=tmp_path).returncode == 0


def test_a_command_of_other_programs_names_what_starts_a_run(tmp_path: Path) -> None:
    done = run("train", "--data", "photos", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "error: there is no command train: `convnext-tui --data DIR` starts a run\n"
    )


def test_runs_are_compared_in_a_table(folder: Path) -> None:
    result = run("compare", DONE, "20261124-10", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "A animals20" in result.stdout
    assert "best val top-1 ↑" in result.stdout
    assert "no config differences" in result.stdout
    assert "A manual changes: patience 7 → 5" in result.stdout


def test_a_comparison_is_exported(folder: Path, tmp_path: Path) -> None:
    files = {name: str(tmp_path / name) for name in ("table.csv", "curves.csv", "loss.svg")}
    result = run(
        *("compare", DONE, "20261124-09", "--csv", files["table.csv"]),
        *("--curves", files["curves.csv"], "--svg", files["loss.svg"]),
        *("--figure", "val_loss", "--x", "unfreeze"),
        cwd=folder,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    assert "kind,key,goal" in Path(files["table.csv"]).read_text()
    assert len(Path(files["curves.csv"]).read_text().splitlines()) == 13
    assert "val loss over epochs since unfreeze" in Path(files["loss.svg"]).read_text()
    tree = json.loads(run("compare", DONE, "20261124-09", "--json", cwd=folder).stdout)
    assert tree["results"][0]["winners"] == [DONE]
    assert run("compare", DONE, "20261124-09", "--csv", "-", cwd=folder).stdout.startswith("kind,")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([DONE], "compare takes 2 to 8 runs, but was given 1 different run"),
        ([DONE, DONE], "1 different run"),
        ([DONE, "nothing"], "no run 'nothing'"),
        (
            [DONE, "20261124-10", "--svg", "x.svg", "--figure", "beauty"],
            "unknown figure 'beauty'; expected one of: val_top1, val_loss",
        ),
        ([DONE, "20261124-10", "--svg", "no/x.svg"], "no/x.svg can't be written"),
    ],
)
def test_an_invalid_comparison_is_refused(folder: Path, arguments: list[str], error: str) -> None:
    result = run("compare", *arguments, cwd=folder)
    assert result.returncode == 2
    assert error in result.stderr
