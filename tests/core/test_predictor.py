"""Predictions of a run's model through the Python API."""

import csv
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from timm.data import create_transform

from core import Predictor, load_run
from core.common.errors import SetupError
from core.data.decode import UnreadableImage
from core.inference.image_reader import in_order


@pytest.fixture(scope="module")
def predictor(trained: Path) -> Predictor:
    return Predictor(load_run(trained), device="cpu")


def val_images(trained: Path) -> list[tuple[str, str]]:
    with (trained / "split.csv").open(newline="") as file:
        return [(r["path"], r["class"]) for r in csv.DictReader(file) if r["split"] == "val"]


def test_probabilities_agree_with_timm(trained: Path, photos: Path, predictor: Predictor) -> None:
    content = torch.load(trained / "checkpoints" / "best.pt", weights_only=True)
    model = timm.create_model("test_convnext", num_classes=3).eval()
    model.load_state_dict(content["model"])
    values = content["transform"]
    transform = create_transform(
        (3, 32, 32),
        **{name: values[name] for name in ("mean", "std", "interpolation", "crop_pct")},
    )
    files = sorted(photos.glob("*/*.png"))
    images = torch.stack([transform(Image.open(file).convert("RGB")) for file in files])
    with torch.no_grad():
        expected = model(images).softmax(dim=1).numpy()
    found = predictor.predict(files)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-5
    assert predictor.classes == tuple(content["classes"])


def test_predictions_reproduce_the_runs_validation_accuracy(
    trained: Path, photos: Path, predictor: Predictor
) -> None:
    images = val_images(trained)
    labels = [predictor.classes.index(name) for _, name in images]
    found = predictor.predict([photos / path for path, _ in images]).argmax(axis=1)
    assert (found == labels).mean() == pytest.approx(predictor.run.metrics["val_top1"])
    assert predictor.run.metrics["val_top1"] > 0.5, "the model has learned nothing"


def test_paths_file_contents_and_pil_images_are_equivalent(
    photos: Path, predictor: Predictor
) -> None:
    file = photos / "class_1" / "003.png"
    found = predictor.predict([file, str(file), file.read_bytes(), Image.open(file)])
    assert np.abs(found - found[:1]).max() < 1e-6


def test_a_stream_continues_after_an_unreadable_image(
    photos: Path, predictor: Predictor, tmp_path: Path
) -> None:
    good = str(photos / "class_0" / "000.png")
    truncated = tmp_path / "truncated.png"
    truncated.write_bytes(Path(good).read_bytes()[:200])
    os.mkfifo(tmp_path / "pipe.png")
    given = [
        good,
        str(truncated),
        str(tmp_path / "none.png"),
        str(tmp_path / "pipe.png"),
        good,
        "\0",
    ]
    found = list(predictor.stream(given))
    assert [one.image for one in found] == given
    assert [bool(one.error) for one in found] == [one.probabilities is None for one in found]
    assert [bool(one.error) for one in found] == [False, True, True, True, False, True]
    assert found[2].error == "no such file"
    with pytest.raises(UnreadableImage, match=r"none\.png: no such file"):
        predictor.predict([good, str(tmp_path / "none.png")])


def test_no_images_give_no_rows(predictor: Predictor) -> None:
    assert predictor.predict([]).shape == (0, 3)


@pytest.mark.parametrize("checkpoint", ["best-head", "last"])
def test_a_selected_checkpoint_is_loaded(
    checkpoint: str, trained: Path, photos: Path, predictor: Predictor
) -> None:
    run = load_run(trained, checkpoint)
    saved = torch.load(trained / "checkpoints" / f"{checkpoint}.pt", weights_only=True)["model"]
    assert all(torch.equal(value, saved[name]) for name, value in run.model.state_dict().items())
    assert run.classes == predictor.classes


def test_a_damaged_checkpoint_is_reported_with_the_other_checkpoints(
    trained: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(trained, tmp_path / "copy")
    file = copy / "checkpoints" / "best.pt"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(
        SetupError, match=r"best\.pt doesn't match its checksum.*best-head"
    ) as error:
        load_run(copy)
    assert "\n" not in str(error.value)
    assert load_run(copy, "best-head").classes


@pytest.mark.parametrize(("run", "checkpoint"), [("nothing", "best"), (None, "no/file.pt")])
def test_an_unknown_run_or_checkpoint_is_an_error_of_one_line(
    run: str | None, checkpoint: str, trained: Path
) -> None:
    with pytest.raises(SetupError, match=r"no run|no such checkpoint") as error:
        load_run(run or trained, checkpoint)
    assert "\n" not in str(error.value)


def test_a_checkpoint_of_another_run_is_refused(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "other")
    file = tmp_path / "other" / "checkpoints" / "best.pt"
    with pytest.raises(SetupError, match=r"not a checkpoint of run .*; name the run that wrote it"):
        load_run(trained, str(file))
    assert load_run(tmp_path / "other", str(file)).checkpoint == file


@given(st.integers(0, 40), st.integers(1, 9), st.integers(1, 4))
def test_threads_keep_the_order_and_stay_within_the_limit(
    count: int, ahead: int, threads: int
) -> None:
    taken, lock = [0], threading.Lock()

    def items() -> object:
        for number in range(count):
            with lock:
                taken[0] += 1
            yield number

    for index, value in enumerate(in_order(items(), lambda n: 2 * n, ahead, threads)):
        assert value == 2 * index
        assert taken[0] <= index + 1 + ahead
    assert taken[0] == count
