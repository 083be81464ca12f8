"""The command line on images in an archive, through fsspec, compared with a local folder."""

import json
import os
import time
import zipfile
from pathlib import Path

import pytest

from tests.make_images import make_images
from tests.tui.command import SMALL, run

MOMENT = 1_700_000_000
"""An even second: zip archives store times in steps of two seconds."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create `photos/` and `photos.zip` with equal content."""
    top = tmp_path_factory.mktemp("pair")
    photos = make_images(top / "photos", classes=3, per_class=6)
    (photos / "class_0" / "broken.jpg").write_bytes(b"not an image")
    with zipfile.ZipFile(top / "photos.zip", "w") as archive:
        for file in sorted(path for path in photos.rglob("*") if path.is_file()):
            os.utime(file, (MOMENT, MOMENT))
            name = file.relative_to(photos).as_posix()
            archive.writestr(
                zipfile.ZipInfo(name, time.gmtime(MOMENT)[:6]),
                file.read_bytes(),
            )
    return top


def test_training_equals_that_on_a_local_folder(pair: Path, tmp_path: Path) -> None:
    figures, splits, configs = [], [], []
    for data, workers in (("photos", "0"), ("zip://::photos.zip", "1")):
        runs = tmp_path / workers
        options = ("--set", f"data.workers={workers}", "--log-format", "json", "--runs-dir")
        ended = run("--no-ui", "--data", data, *SMALL, *options, str(runs), cwd=pair)
        assert ended.returncode == 0, ended.stderr
        events = [json.loads(line) for line in ended.stdout.splitlines()]
        figures.append(
            [(e["train_loss"], e["val_loss"]) for e in events if e["type"] == "EpochEnded"]
        )
        splits.append(next(runs.glob("*/split.csv")).read_bytes())
        configs.append(next(runs.glob("*/config.yaml")).read_text())
    assert len(figures[0]) == 3
    assert figures[1] == figures[0]
    assert splits[1] == splits[0]
    assert f"root: zip://::{pair}/photos.zip" in configs[1]
    assert "name: photos" in configs[1]


def test_check_equals_that_of_a_local_folder(pair: Path) -> None:
    reports = []
    for location in ("photos", "zip://::photos.zip"):
        ended = run("check", location, "--json", cwd=pair)
        assert ended.returncode == 0, ended.stderr
        reports.append({**json.loads(ended.stdout), "root": ""})
    assert reports[1] == reports[0]


def test_password_is_refused_and_not_repeated(pair: Path, tmp_path: Path) -> None:
    url = "sftp://me:hunter2@host/photos"
    for arguments in (("--no-ui", "--data", url, "--runs-dir", str(tmp_path)), ("check", url)):
        ended = run(*arguments, cwd=tmp_path)
        assert ended.returncode == 2
        assert "must not contain a password" in ended.stderr
        assert "hunter2" not in ended.stdout + ended.stderr
    assert not list(tmp_path.iterdir())
