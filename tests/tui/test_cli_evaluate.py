"""`convnext-tui evaluate`, as a process."""

import csv
import json
from pathlib import Path

import pytest

from tests.tui.command import run


def strict(text: str) -> dict[str, object]:
    def constant(name: str) -> float:
        raise AssertionError(name)

    found: dict[str, object] = json.loads(text, parse_constant=constant)
    return found


def test_programs_get_strict_json_and_files(
    trained_copy: Path, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "class_0").symlink_to(photos / "class_0")
    done = run(
        *("evaluate", str(trained_copy), "data", "--json", "--tta", "flip"),
        *("--csv", "classes.csv", "--html", "report.html"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    told = strict(done.stdout)
    asked = {"top1", "top5", "loss", "macro_f1", "ece", "per_class", "confusion", "intervals"}
    assert asked <= told.keys()
    assert told["top5"] == 1.0
    with (tmp_path / "classes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["support"] for row in rows] == ["12", "0", "0"]
    assert rows[1]["recall"] == "nan"
    assert "<h2>Classes</h2>" in (tmp_path / "report.html").read_text()


def test_without_a_folder_the_runs_own_validation_comes_out_again(
    trained_copy: Path, tmp_path: Path
) -> None:
    done = run("evaluate", str(trained_copy), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    history = (trained_copy / "history.csv").read_text()
    with (trained_copy / "history.csv").open(newline="") as file:
        best = max(float(row["val_top1"]) for row in csv.DictReader(file))
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("top-1"))
    assert float(line.split()[1]) == pytest.approx(best, abs=1e-4), history
    assert "\x1b" not in done.stdout


def test_a_folder_that_is_none_is_one_line(trained: Path, tmp_path: Path) -> None:
    done = run("evaluate", str(trained), "nowhere", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: nowhere: No such file or directory; give a folder\n"


def test_a_file_that_can_not_be_written_is_said_before_anything_is_computed(
    trained: Path, tmp_path: Path
) -> None:
    before = sorted(trained.rglob("*"))
    done = run("evaluate", str(trained), "--csv", "no/classes.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "error: no/classes.csv can't be written: there is no folder no; make it first\n"
    )
    assert sorted(trained.rglob("*")) == before
