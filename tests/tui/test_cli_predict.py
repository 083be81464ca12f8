"""`convnext-tui predict` in a separate process."""

import csv
import json
import os
import signal
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.tui.command import run, start


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def test_every_image_has_its_row_in_order_unreadable_ones_too(
    trained: Path, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n")
    given = [str(photos / "class_2"), "torn.png", str(photos / "class_0")]
    done = run(
        *("predict", str(trained), *given, "--out", "p.csv", "--submission", "s.csv"),
        *("--grid", "g.png", "--top", "2"),
        cwd=tmp_path,
    )
    assert done.returncode == 2, done.stderr
    assert "25 rows in p.csv; 1 unreadable image" in done.stderr
    found = rows(tmp_path / "p.csv")
    expected = [f"{photos}/class_2/{n:03d}.png" for n in range(12)]
    assert [row["path"] for row in found[:13]] == [*expected, "torn.png"]
    assert (found[12]["label"], found[12]["confidence"]) == ("", "")
    assert found[12]["error"]
    right = sum(Path(row["path"]).parent.name == row["label"] for row in found)
    assert right > 12, "the model has learned nothing"
    assert all(float(r["confidence"]) >= float(r["confidence_2"]) for r in found if r["label"])
    # Equal file names in two folders: the predictions are kept, the submission would be ambiguous.
    assert "have the same ID '000'; predict them separately" in done.stderr
    assert not (tmp_path / "s.csv").exists()
    about = json.loads((tmp_path / "p.csv.about.json").read_text())
    assert (about["run"], about["classes"][0]) == (trained.name, "class_0")
    with Image.open(tmp_path / "g.png") as grid:
        assert min(grid.size) > 500


def test_after_a_kill_it_resumes_with_each_image_once(
    trained: Path, photos: Path, tmp_path: Path
) -> None:
    source = photos / "class_1" / "000.png"
    for number in range(1500):
        (tmp_path / f"{number:05d}.png").symlink_to(source)
    arguments = ("predict", str(trained), ".", "--out", "p.jsonl", "--batch-size", "8")
    process = start(*arguments, cwd=tmp_path)
    out = tmp_path / "p.jsonl"
    while not (out.exists() and out.stat().st_size):
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = out.read_bytes().count(b"\n")
    assert 0 < before < 1500
    with out.open("ab") as file:
        file.write(b'{"path": "to')  # as a kill within a write leaves it
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line)["path"] for line in out.read_text().splitlines()]
    assert found == [f"{number:05d}.png" for number in range(1500)]
    assert f"{before:,} from an earlier call" in done.stderr


def test_paths_from_standard_input_and_lines_of_text(
    trained: Path, photos: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "a\x1b[2Jb.png"
    odd.write_bytes((photos / "class_0" / "001.png").read_bytes())
    paths = b"\n".join([os.fsencode(odd), b"missing.png", b""])
    done = run("predict", str(trained), "-", cwd=tmp_path, given=paths)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert "\x1b" not in first
    assert "a\\x1b[2Jb.png: class_" in first
    assert second == "missing.png: can't be read: no such file"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing", "a.png"], "no run 'nothing'"),
        (["RUN", "a.png", "--out", "p.txt"], "must end in .csv or .jsonl"),
        (["RUN", "none*.png"], "no file matches this pattern"),
        (["RUN", "a.png", "--submission", "s.csv"], "--submission needs --out FILE"),
        (
            ["RUN", "a.png", "--out", "p.csv", "--submission", "./p.csv"],
            "--submission ./p.csv is also the file of --out",
        ),
        (["RUN", "a.png", "--grid", "a.png"], "--grid a.png is one of the images to read"),
        (["RUN", "a.png", "--show"], "--show needs a terminal"),
        (
            ["RUN", "a.png", "--out", "no/folder/p.csv"],
            "can't be written: the folder no/folder does not exist",
        ),
        (["RUN", "a.png", "--grid", "."], ". can't be written: it is a folder"),
        (["RUN", "a.png", "--checkpoint", "none.pt"], "no such checkpoint"),
    ],
)
def test_invalid_usage_is_an_error_of_one_line(
    arguments: list[str], message: str, trained: Path, tmp_path: Path
) -> None:
    given = [str(trained) if text == "RUN" else text for text in arguments]
    done = run("predict", *given, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
