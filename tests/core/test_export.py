"""Exports are loaded as other programs load them, and compared with the model."""

import contextlib
import json
import re
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
from core.inference.export import safetensors_format
from core.inference.export.export import TOLERANCE, ExportResult, export
from core.inference.export.hub import push
from core.inference.export.target import ExportTarget
from tests import odd_images
from tests.stages import slow_except


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
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def pixels(run: TrainedRun, files: list[Path]) -> np.ndarray:
    transform = run.val_transform()
    return np.stack([transform(Image.open(file)).numpy() for file in files])


def normalize(run: TrainedRun, images: np.ndarray) -> np.ndarray:
    mean, std = (np.array(run.transform[n], np.float32)[:, None, None] for n in ("mean", "std"))
    return ((images.astype(np.float32) / 255 - mean) / std).astype(np.float32)


@pytest.fixture(scope="module")
def onnx_export(run: TrainedRun, tmp_path_factory: pytest.TempPathFactory) -> ExportResult:
    return export(run, ExportTarget("onnx", tmp_path_factory.mktemp("onnx") / "m.onnx"))


@pytest.mark.parametrize("with_normalize", slow_except([False, True], False))
def test_onnx_agrees_with_the_model_for_any_batch_size(
    with_normalize: bool,
    run: TrainedRun,
    files: list[Path],
    expected: np.ndarray,
    tmp_path: Path,
    onnx_export: ExportResult,
) -> None:
    target = ExportTarget("onnx", tmp_path / "m.onnx", with_normalize)
    made = export(run, target) if with_normalize else onnx_export
    assert made.real_images and made.same_top1 == made.images > 1
    session = onnxruntime.InferenceSession(str(made.path), providers=["CPUExecutionProvider"])
    images = pixels(run, files)
    inputs = images if with_normalize else normalize(run, images)
    for size in (1, 5, len(files)):
        (logits,) = session.run(["logits"], {"pixels": inputs[:size]})
        assert np.abs(softmax(logits) - expected[:size]).max() < TOLERANCE
    metadata = {p.key: json.loads(p.value) for p in onnx.load(made.path).metadata_props}
    assert metadata["classes"] == list(run.classes)
    assert metadata["transform"]["image_size"] == 32
    assert metadata["provenance"]["sha256"] == run.sha256


def test_timm_creates_the_model_and_its_transform_from_the_folder(
    run: TrainedRun, files: list[Path], expected: np.ndarray, tmp_path: Path
) -> None:
    made = export(run, ExportTarget("timm", tmp_path / "m"))
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


def test_safetensors_contains_the_state_dict_and_metadata(run: TrainedRun, tmp_path: Path) -> None:
    made = export(run, ExportTarget("safetensors", tmp_path / "m.safetensors"))
    found = load_file(made.path)
    assert all(torch.equal(found[name], value) for name, value in run.model.state_dict().items())
    with safetensors.safe_open(made.path, "pt") as opened:
        metadata = opened.metadata()
    assert json.loads(metadata["classes"]) == list(run.classes)
    assert json.loads(metadata["provenance"])["run"] == run.folder.id
    assert stat.S_IMODE(made.path.stat().st_mode) == stat.S_IMODE(made.card.stat().st_mode)


def test_torchscript_loads_without_this_package(
    run: TrainedRun, files: list[Path], expected: np.ndarray, tmp_path: Path
) -> None:
    made = export(run, ExportTarget("torchscript", tmp_path / "m.pt", with_normalize=True))
    extra = {"convnext-tui.json": ""}
    model = torch.jit.load(str(made.path), _extra_files=extra)
    found = model(torch.from_numpy(pixels(run, files))).softmax(dim=1).detach().numpy()
    assert np.abs(found - expected).max() < TOLERANCE
    assert json.loads(extra["convnext-tui.json"])["classes"] == list(run.classes)


def test_model_card_has_all_sections_and_escapes_names(
    run: TrainedRun, tmp_path: Path, onnx_export: ExportResult
) -> None:
    card = onnx_export.card.read_text()
    sections = ("## Data", "## Training", "## Results", "## Limitations", "## Provenance")
    for text in (*sections, run.sha256, "32 x 32", 'InferenceSession("m.onnx")'):
        assert text in card
    assert f"| {run.metrics['val_top1']:.4f} |" in card
    assert "/" not in card.split("## Training")[0].split("## Data")[1], "a local path"
    named = replace(run, config=run.config.model_copy(update={"name": "<b>[x](y)|`z`\x1b"}))
    card = export(named, ExportTarget("safetensors", tmp_path / "n.safetensors")).card.read_text()
    assert r"# \<b\>\[x\]\(y\)\|\`z\`\\x1b" in card


def run_card(card: Path, image: Path) -> np.ndarray:
    """Run the code of a model card in the folder of its export; return the probabilities."""
    blocks = re.findall(r"```python\n(.*?)```", card.read_text("utf-8"), re.DOTALL)
    code = "\n".join(blocks).replace('"image.jpg"', repr(str(image)))
    names: dict[str, Any] = {}
    with contextlib.chdir(card.parent), torch.no_grad():
        exec(code, names)
    return softmax(np.asarray(names["logits"].detach() if "torch" in code else names["logits"]))


@pytest.fixture(scope="module")
def large_images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Images for which every step before the transform matters: a JPEG that is reduced while it is
    decoded, one that lies on its side, transparency, and a small one."""
    folder = tmp_path_factory.mktemp("large")
    rng = np.random.default_rng(5)
    coarse = Image.fromarray(rng.integers(0, 256, (60, 90, 3), dtype=np.uint8))
    photo = coarse.resize((900, 600), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.save(folder / "a.jpg", quality=90)
    photo.save(folder / "b.jpg", quality=90, exif=exif)
    photo.putalpha(coarse.convert("L").resize(photo.size))
    photo.save(folder / "c.png")
    coarse.resize((40, 33)).save(folder / "d.png")
    return sorted(folder.iterdir())


@pytest.mark.parametrize(
    ("to", "name", "with_normalize"),
    [
        ("safetensors", "m.safetensors", False),
        ("timm", "m", False),
        ("torchscript", "m.pt", True),
        ("onnx", "m.onnx", False),
    ],
)
def test_the_code_of_a_model_card_gives_the_probabilities_of_the_run(
    to: str,
    name: str,
    with_normalize: bool,
    run: TrainedRun,
    large_images: list[Path],
    tmp_path: Path,
    onnx_export: ExportResult,
) -> None:
    target = ExportTarget(to, tmp_path / name, with_normalize)
    card = onnx_export.card if to == "onnx" else export(run, target).card
    if to == "timm":  # its card is in the folder that the code names
        card = Path(shutil.copy(card, tmp_path))
    expected = Predictor(run, device="cpu").predict(large_images)
    found = np.concatenate([run_card(card, image) for image in large_images])
    assert np.abs(found - expected).max() < 1e-4
    # The images distinguish the recipe from the transform alone.
    plain = run.val_transform()
    pixels = torch.stack([plain(Image.open(image).convert("RGB")) for image in large_images])
    alone = run.model(torch.from_numpy(normalize(run, pixels.numpy()))).softmax(1).numpy()
    assert np.abs(alone - expected).max() > 1e-3


@pytest.mark.parametrize(
    "ranges",
    [{"uint16": [0, 4095], "float32": [-2.5, 2.5]}, {"any": [5, 99]}, {"max4095": [0, 4095]}],
)
def test_the_code_of_a_model_card_scales_deep_images_as_the_run_does(
    ranges: dict[str, list[float]], run: TrainedRun, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(odd_images.png(odd_images.bits(odd_images.scene(0, 1), 12)))
    scores = (odd_images.scene(1, 2) * 8 - 4).astype(np.float32)
    scores[3, 3] = np.nan
    (tmp_path / "b.tif").write_bytes(odd_images.tiff(scores, order=">"))
    deep = replace(run, transform={**run.transform, "value_ranges": ranges})
    card = export(deep, ExportTarget("safetensors", tmp_path / "m.safetensors")).card
    files = [tmp_path / "a.png", tmp_path / "b.tif"]
    if "max4095" in ranges:
        files = [tmp_path / "c.pgm"]
        files[0].write_bytes(odd_images.pgm(odd_images.bits(odd_images.scene(0, 1), 12), 4095))
    expected = Predictor(deep, device="cpu").predict(files)
    found = np.concatenate([run_card(card, file) for file in files])
    assert np.abs(found - expected).max() < 1e-4
    assert "value range" in card.read_text("utf-8")


def write_other_weights(
    run: TrainedRun, model: Any, example: Tensor, path: Path, metadata: Any
) -> None:
    other = {name: value + 0.05 for name, value in run.model.state_dict().items()}
    safetensors.torch.save_file(other, path)


def test_an_export_that_fails_verification_is_not_kept(
    run: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safetensors_format, "write", write_other_weights)
    (tmp_path / "m.safetensors").write_bytes(b"before")
    with pytest.raises(SetupError, match="failed verification and was not kept"):
        export(run, ExportTarget("safetensors", tmp_path / "m.safetensors", overwrite=True))
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]
    assert (tmp_path / "m.safetensors").read_bytes() == b"before"


def test_existing_files_are_replaced_only_with_overwrite(run: TrainedRun, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    export(run, ExportTarget("safetensors", out))
    with pytest.raises(SetupError, match="already exists"):
        export(run, ExportTarget("safetensors", out))
    export(run, ExportTarget("safetensors", out, overwrite=True))
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.tex").touch()
    with pytest.raises(SetupError, match="is a folder with other content"):
        export(run, ExportTarget("timm", other, overwrite=True))
    assert (other / "chapter.tex").exists()
    export(run, ExportTarget("timm", tmp_path / "m"))
    export(run, ExportTarget("timm", tmp_path / "m", overwrite=True))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        *("m", "m.safetensors", "m.safetensors.md", "thesis"),
    ]


def test_random_images_verify_when_the_runs_images_are_missing(
    run: TrainedRun, tmp_path: Path
) -> None:
    shutil.copytree(run.folder.path, tmp_path / "run")
    (tmp_path / "run" / "split.csv").unlink()
    made = export(
        load_run(tmp_path / "run"), ExportTarget("safetensors", tmp_path / "m.safetensors")
    )
    assert not made.real_images
    assert "Verified on 8 random images" in made.card.read_text()


def test_requested_images_must_be_readable(run: TrainedRun, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"none of the images can be read: gone\.png"):
        export(run, ExportTarget("safetensors", tmp_path / "m.safetensors"), images=["gone.png"])
    assert list(tmp_path.iterdir()) == []


def test_model_card_has_class_metrics_only_of_the_exported_weights(
    run: TrainedRun, tmp_path: Path
) -> None:
    card = export(run, ExportTarget("safetensors", tmp_path / "a.safetensors")).card.read_text()
    assert "Classes with the lowest validation F1" in card
    other = replace(run, metrics={**run.metrics, "epoch": 99})
    card = export(other, ExportTarget("safetensors", tmp_path / "b.safetensors")).card.read_text()
    assert "Classes with the lowest validation F1" not in card
    assert "calibration error" not in card


def test_a_symlink_is_replaced_and_not_its_target(run: TrainedRun, tmp_path: Path) -> None:
    made = export(run, ExportTarget("timm", tmp_path / "model")).path
    (tmp_path / "link").symlink_to(made)
    export(run, ExportTarget("timm", tmp_path / "link", overwrite=True))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "model"]
    assert not (tmp_path / "link").is_symlink()


@pytest.mark.parametrize(
    ("to", "out", "message"),
    [("safetensors", "weights", r"must end in \.safetensors"), ("timm", ".", "no file name")],
)
def test_an_invalid_path_is_refused(to: str, out: str, message: str, run: TrainedRun) -> None:
    with pytest.raises(SetupError, match=message):
        export(run, ExportTarget(to, Path(out), overwrite=True))


@pytest.mark.parametrize("library", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_library_is_named(
    library: str, run: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(SetupError, match=rf"needs {library}: pip install 'convnext-tui\[onnx\]'"):
        export(run, ExportTarget("onnx", tmp_path / "m.onnx"))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_push_is_an_error_of_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(SetupError, match="the push to nobody/nothing failed: ") as refusal:
        push(tmp_path, "nobody/nothing", private=True)
    assert "\n" not in str(refusal.value)
