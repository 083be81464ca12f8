"""Exports, loaded as other programs load them."""

import json
import shutil
import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors
import timm
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from core import Predictor, TrainedRun, load_run
from core.common.errors import SetupError
from core.inference.export import formats as export_formats
from core.inference.export.export import TOLERANCE, export
from core.inference.export.formats import FORMATS, Format
from core.inference.export.hub import push


@pytest.fixture(scope="module")
def run(trained: Path) -> TrainedRun:
    return load_run(trained)


@pytest.fixture(scope="module")
def files(photos: Path) -> list[Path]:
    return sorted(photos.glob("*/*.png"))


@pytest.fixture(scope="module")
def expected(run: TrainedRun, files: list[Path]) -> np.ndarray:
    return Predictor(run, device="cpu").predict(files)


def softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def pixels(run: TrainedRun, files: list[Path]) -> np.ndarray:
    transform = run.val_transform()
    return np.stack([transform(Image.open(file)).numpy() for file in files])


def normalize(run: TrainedRun, images: np.ndarray) -> np.ndarray:
    mean, std = (np.array(run.transform[n], np.float32)[:, None, None] for n in ("mean", "std"))
    return ((images.astype(np.float32) / 255 - mean) / std).astype(np.float32)


@pytest.mark.parametrize("with_normalize", [False, True])
def test_onnx_computes_the_same_for_any_batch(
    with_normalize: bool, run: TrainedRun, files: list[Path], expected: np.ndarray, tmp_path: Path
) -> None:
    made = export(run, "onnx", tmp_path / "m.onnx", with_normalize)
    assert made.real and made.same_top1 == made.pictures > 1
    session = onnxruntime.InferenceSession(str(made.path), providers=["CPUExecutionProvider"])
    images = pixels(run, files)
    given = images if with_normalize else normalize(run, images)
    for size in (1, 5, len(files)):
        (logits,) = session.run(["logits"], {"pixels": given[:size]})
        assert np.abs(softmax(logits) - expected[:size]).max() < TOLERANCE
    about = {p.key: json.loads(p.value) for p in onnx.load(made.path).metadata_props}
    assert about["classes"] == list(run.classes)
    assert about["transform"]["image_size"] == 32
    assert about["provenance"]["sha256"] == run.sha256


def test_timm_makes_the_network_with_its_transform_from_the_folder(
    run: TrainedRun, files: list[Path], expected: np.ndarray, tmp_path: Path
) -> None:
    made = export(run, "timm", tmp_path / "m")
    model = timm.create_model(f"local-dir:{made.path}", pretrained=True).eval()
    values = timm.data.resolve_data_config({}, model=model)
    transform = timm.data.create_transform(**values, is_training=False)
    assert list(model.pretrained_cfg["label_names"]) == list(run.classes)
    assert values["input_size"] == (3, 32, 32)
    images = torch.stack([transform(Image.open(file)) for file in files])
    with torch.no_grad():
        found = model(images).softmax(dim=1).numpy()
    assert np.abs(found - expected).max() < TOLERANCE
    assert {p.name for p in made.path.iterdir()} == {
        "config.json",
        "model.safetensors",
        "README.md",
    }


def test_safetensors_is_also_the_weights_of_another_run(run: TrainedRun, tmp_path: Path) -> None:
    made = export(run, "safetensors", tmp_path / "m.safetensors")
    found = load_file(made.path)
    assert all(torch.equal(found[name], value) for name, value in run.model.state_dict().items())
    with safetensors.safe_open(made.path, "pt") as opened:
        about = opened.metadata()
    assert json.loads(about["classes"]) == list(run.classes)
    assert json.loads(about["provenance"])["run"] == run.folder.id
    assert stat.S_IMODE(made.path.stat().st_mode) == stat.S_IMODE(made.card.stat().st_mode)


def test_torchscript_needs_no_code_of_this_program(
    run: TrainedRun, files: list[Path], expected: np.ndarray, tmp_path: Path
) -> None:
    made = export(run, "torchscript", tmp_path / "m.pt", with_normalize=True)
    extra = {"convnext-tui.json": ""}
    model = torch.jit.load(str(made.path), _extra_files=extra)
    found = model(torch.from_numpy(pixels(run, files))).softmax(dim=1).detach().numpy()
    assert np.abs(found - expected).max() < TOLERANCE
    assert json.loads(extra["convnext-tui.json"])["classes"] == list(run.classes)


def test_the_card_says_what_the_network_is_and_trusts_no_name(
    run: TrainedRun, tmp_path: Path
) -> None:
    made = export(run, "onnx", tmp_path / "m.onnx")
    card = made.card.read_text()
    for told in ("## Data", "## Training", "## Results", "## Limits", run.sha256, "32 x 32"):
        assert told in card
    assert f"| {run.metrics['val_top1']:.4f} |" in card
    assert "/" not in card.split("## Training")[0].split("## Data")[1], "a path of this machine"
    import core.inference.export.model_card as module

    assert module._text("<b>[x](y)|`z`\x1b") == r"\<b\>\[x\]\(y\)\|\`z\`\\x1b"


def _writes_other_weights(
    run: TrainedRun, net: Any, example: Tensor, out: Path, about: Any
) -> None:
    other = {name: value + 0.05 for name, value in run.model.state_dict().items()}
    safetensors.torch.save_file(other, out)


def test_what_computes_something_else_is_not_kept(
    run: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = FORMATS["safetensors"]
    bad = Format(_writes_other_weights, good.load)
    monkeypatch.setitem(export_formats.FORMATS, "safetensors", bad)  # type: ignore[arg-type]
    (tmp_path / "m.safetensors").write_bytes(b"before")
    with pytest.raises(SetupError, match="was not kept: its probabilities differ"):
        export(run, "safetensors", tmp_path / "m.safetensors", overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]
    assert (tmp_path / "m.safetensors").read_bytes() == b"before"


def test_nothing_is_replaced_unasked(run: TrainedRun, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    export(run, "safetensors", out)
    with pytest.raises(SetupError, match="is there already"):
        export(run, "safetensors", out)
    export(run, "safetensors", out, overwrite=True)
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.tex").touch()
    with pytest.raises(SetupError, match="holds other things"):
        export(run, "timm", other, overwrite=True)
    assert (other / "chapter.tex").exists()
    export(run, "timm", tmp_path / "m")
    export(run, "timm", tmp_path / "m", overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        *("m", "m.safetensors", "m.safetensors.md", "thesis"),
    ]


def test_without_the_runs_pictures_noise_is_compared_and_said_so(
    run: TrainedRun, tmp_path: Path
) -> None:
    shutil.copytree(run.folder.path, tmp_path / "run")
    (tmp_path / "run" / "split.csv").unlink()
    made = export(load_run(tmp_path / "run"), "safetensors", tmp_path / "m.safetensors")
    assert not made.real
    assert "pictures of noise" in made.card.read_text()


def test_pictures_that_were_asked_for_must_be_there(run: TrainedRun, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"none of the pictures can be read: gone\.png"):
        export(run, "safetensors", tmp_path / "m.safetensors", pictures=["gone.png"])
    assert list(tmp_path.iterdir()) == []


def test_the_card_tells_of_classes_only_what_these_weights_came_to(
    run: TrainedRun, tmp_path: Path
) -> None:
    told = export(run, "safetensors", tmp_path / "a.safetensors").card.read_text()
    assert "Weakest classes" in told
    other = replace(run, metrics={**run.metrics, "epoch": 99})
    told = export(other, "safetensors", tmp_path / "b.safetensors").card.read_text()
    assert "Weakest classes" not in told
    assert "calibration error" not in told


def test_a_link_is_replaced_and_not_what_it_leads_to(run: TrainedRun, tmp_path: Path) -> None:
    made = export(run, "timm", tmp_path / "model").path
    (tmp_path / "link").symlink_to(made)
    export(run, "timm", tmp_path / "link", overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "model"]
    assert not (tmp_path / "link").is_symlink()


@pytest.mark.parametrize(
    ("to", "out", "message"),
    [("safetensors", "weights", r"end it with \.safetensors"), ("timm", ".", "no name of its own")],
)
def test_a_name_that_cannot_be_used_is_refused(
    to: str, out: str, message: str, run: TrainedRun
) -> None:
    with pytest.raises(SetupError, match=message):
        export(run, to, Path(out), overwrite=True)


@pytest.mark.parametrize("library", ["onnx", "onnxscript", "onnxruntime"])
def test_a_library_that_is_not_installed_is_named(
    library: str, run: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(SetupError, match=rf"needs {library}: pip install 'convnext-tui\[onnx\]'"):
        export(run, "onnx", tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_pushing_without_a_network_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(SetupError, match=r"can't be pushed to \(") as refusal:
        push(tmp_path, "nobody/nothing", private=True)
    assert "\n" not in str(refusal.value)
