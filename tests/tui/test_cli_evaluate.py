"""`convnext-tui evaluate` in a separate process."""

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


def test_strict_json_and_output_files(trained_copy: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "class_0").symlink_to(photos / "class_0")
    done = run(
        *("evaluate", str(trained_copy), "data", "--json", "--tta", "flip"),
        *("--csv", "classes.csv", "--html", "report.html"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    printed = strict(done.stdout)
    expected = {"top1", "top5", "loss", "macro_f1", "ece", "per_class", "confusion", "intervals"}
    assert expected <= printed.keys()
    assert printed["top5"] == 1.0
    with (tmp_path / "classes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["support"] for row in rows] == ["12", "0", "0"]
    assert rows[1]["recall"] == "nan"
    assert "<h2>Classes</h2>" in (tmp_path / "report.html").read_text()


def test_without_a_folder_the_runs_own_validation_is_reproduced(
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


def test_a_missing_folder_is_an_error_of_one_line(trained: Path, tmp_path: Path) -> None:
    done = run("evaluate", str(trained), "nowhere", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: nowhere: No such file or directory; give a folder\n"


def test_an_unwritable_file_is_reported_before_the_evaluation(
    trained: Path, tmp_path: Path
) -> None:
    before = sorted(trained.rglob("*"))
    done = run("evaluate", str(trained), "--csv", "no/classes.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "error: no/classes.csv can't be written: the folder no does not exist; create it first\n"
    )
    assert sorted(trained.rglob("*")) == before
