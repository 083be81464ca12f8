"""Messages of image libraries, also of native code, never reach the terminal of a command."""

import json
import os
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from core.common.native_stderr import native_stderr_to, redirect_native_stderr
from core.data.loading.dataset import ImageDataset
from core.data.loading.loader import Loader
from core.data.split import SplitOptions, plan_data
from tests.make_images import make_images
from tests.odd_images import bits, noisy_tiff, scene, tiff
from tests.tui.command import SMALL, run

MESSAGE = "ZIPDecode"


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    """Images about which libtiff and Pillow write messages, and a text file."""
    root = make_images(tmp_path / "photos", classes=2, per_class=6)
    (root / "class_0" / "noisy.tif").write_bytes(noisy_tiff(bits(scene(0, 1), 16)))
    many_samples = {277: (3, 1, b"\x40\0")}
    (root / "class_0" / "samples.tif").write_bytes(tiff(bits(scene(0, 1), 16), many_samples))
    (root / "class_0" / "deep.tif").write_bytes(tiff(bits(scene(0, 1), 12)))
    (root / "class_0" / "notes.txt").write_text("x")
    return root


def test_check_prints_only_its_report(noisy: Path, tmp_path: Path) -> None:
    done = run("check", str(noisy), cwd=tmp_path, CONVNEXT_TUI_CACHE=str(tmp_path / "cache"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "left out 3 files: 2 unreadable, 1 not images (.txt)" in done.stdout
    assert "values  1 16-bit image with values from 0 to 4,095; value range 0 to 4,095" in (
        done.stdout
    )
    assert "noisy.tif: the image data is damaged" in done.stdout
    assert "samples.tif: a TIFF image that is damaged or has an unsupported" in done.stdout


def test_a_run_without_the_app_has_them_in_its_log(noisy: Path, tmp_path: Path) -> None:
    done = run(
        *("--no-ui", "--log-format", "json", "--data", str(noisy), *SMALL),
        *("--set", "phases.full.epochs=0", "--set", "cache.max_gb=0"),
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    ready = next(
        e for line in done.stdout.splitlines() if (e := json.loads(line))["type"] == "DataReady"
    )
    assert ready["left_out"] == {"not images (.txt)": 1}
    assert ready["value_ranges"] == {"uint16": [0.0, 4095.0]}
    (log,) = (tmp_path / "runs").glob("*/log.txt")
    assert MESSAGE in log.read_text("utf-8")
    assert "More samples per pixel" in log.read_text("utf-8")


def test_predict_and_evaluate_say_what_they_leave_out(
    trained: Path, noisy: Path, tmp_path: Path
) -> None:
    done = run("predict", str(trained), str(noisy), cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "left out 1 file: not images (.txt)",
        "1 image of a bit depth that the run was not trained on, each converted by its own values",
    ]
    make_images(noisy, classes=3, per_class=1)
    done = run("evaluate", str(trained), str(noisy), "--no-keep", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["data"]["left_out"] == {"not images (.txt)": 1}


def write_native(image: Image.Image) -> Tensor:
    os.write(2, b"a message of a library\n")
    return torch.zeros(3, 4, 4, dtype=torch.uint8)


def test_workers_write_to_the_log(photos: Path, tmp_path: Path) -> None:
    plan = plan_data(photos, SplitOptions(0.25, 0), use_cache=False)
    assert plan is not None
    data = ImageDataset(plan, "train", write_native, 0)
    loader = Loader(data, 16, 1, torch.device("cpu"), log=tmp_path / "log.txt")
    list(loader.epoch("head", 1))
    loader.close()
    assert (tmp_path / "log.txt").read_text().count("a message of a library") == len(data)


def test_python_keeps_its_standard_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", os.fdopen(2, "w", closefd=False))
    with native_stderr_to(tmp_path / "a"):
        print("to the user", file=sys.stderr)
        os.write(2, b"first\n")
        redirect_native_stderr(tmp_path / "b")
        os.write(2, b"second\n")
    os.write(2, b"last\n")
    print("again", file=sys.stderr, flush=True)
    assert (tmp_path / "a").read_text() == "first\n"
    assert (tmp_path / "b").read_text() == "second\n"
    assert capfd.readouterr().err == "to the user\nlast\nagain\n"
