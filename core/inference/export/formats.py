"""A run's network in the forms that other programs load, and each loaded again to be compared."""

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import timm
import torch
from timm.models import save_for_hf
from torch import Tensor, nn

from core.inference.export.checks import ExportError
from core.inference.trained_run import TrainedRun
from core.model.build import build_model, load_weights
from core.model.normalize import NormalizedModel

Logits = Callable[[Tensor], Tensor]
"""From pictures (N, 3, H, W), as the export takes them, to logits (N, classes)."""
About = Mapping[str, Any]
EXTRA_FILE = "convnext-tui.json"


@dataclass(frozen=True, slots=True)
class Format:
    """One form of export."""

    write: Callable[[TrainedRun, nn.Module, Tensor, Path, About], None]
    """Takes the run, the network as it is to be, an example of what it takes, where to write and
    what to write with it."""
    load: Callable[[TrainedRun, Path], Logits]
    """Loads what was written, as another program would."""


def pixel_network(run: TrainedRun, with_normalize: bool) -> nn.Module:
    """Return the network that takes normalize float32, or the bytes of pictures."""
    if not with_normalize:
        return run.model
    return NormalizedModel(run.model, run.transform["mean"], run.transform["std"]).eval()


def _write_safetensors(
    run: TrainedRun, net: nn.Module, example: Tensor, out: Path, about: About
) -> None:
    # The format's metadata has texts alone.
    metadata = {"format": "pt", **{key: json.dumps(value) for key, value in about.items()}}
    tensors = {name: value.contiguous() for name, value in run.model.state_dict().items()}
    safetensors.torch.save_file(tensors, out, metadata)


def _load_safetensors(run: TrainedRun, out: Path) -> Logits:
    bare = run.config.model.model_copy(update={"pretrained": False, "weights": None})
    model, _ = build_model(bare, len(run.classes), seed=run.config.seed + 1)
    report = load_weights(model, out)
    if report.missing or report.new_head:
        raise ExportError(f"{out.name} lacks {', '.join([*report.missing, *report.new_head][:3])}")
    return model.eval()


def _write_timm(run: TrainedRun, net: nn.Module, example: Tensor, out: Path, about: About) -> None:
    side = int(run.transform["image_size"])
    model: Any = run.model
    before = model.pretrained_cfg
    # What the network was trained with: its pretrained values may be of another picture size.
    values = {
        **{name: run.transform[name] for name in ("mean", "std", "interpolation")},
        **{name: run.transform[name] for name in ("crop_pct", "crop_mode")},
        "input_size": (3, side, side),
        "test_input_size": None,
        "test_crop_pct": None,
        "num_classes": len(run.classes),
        "pool_size": None,
    }
    try:
        model.pretrained_cfg = {**before, **values}
        config = {"label_names": list(run.classes), "convnext_tui": about["provenance"]}
        save_for_hf(model, str(out), model_config=config, safe_serialization=True)
    finally:
        model.pretrained_cfg = before


def _load_timm(run: TrainedRun, out: Path) -> Logits:
    model: nn.Module = timm.create_model(f"local-dir:{out}", pretrained=True)
    return model.eval()


def _write_torchscript(
    run: TrainedRun, net: nn.Module, example: Tensor, out: Path, about: About
) -> None:
    extra = {EXTRA_FILE: json.dumps(about, indent=2)}
    with torch.no_grad(), _without_deprecations():
        traced = torch.jit.trace(net, example)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, str(out), _extra_files=extra)


def _load_torchscript(run: TrainedRun, out: Path) -> Logits:
    with _without_deprecations():
        loaded: Logits = torch.jit.load(str(out), map_location="cpu")  # type: ignore[no-untyped-call]
    return loaded


@contextmanager
def _without_deprecations() -> Iterator[None]:
    # torch would have torch.export instead of TorchScript: whoever asks for TorchScript knows.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _write_onnx(run: TrainedRun, net: nn.Module, example: Tensor, out: Path, about: About) -> None:
    from core.inference.export.onnx import write_onnx

    write_onnx(net, example, out, about)


def _load_onnx(run: TrainedRun, out: Path) -> Logits:
    from core.inference.export.onnx import load_onnx

    return load_onnx(out)


FORMATS: Mapping[str, Format] = {
    "safetensors": Format(_write_safetensors, _load_safetensors),
    "timm": Format(_write_timm, _load_timm),
    "onnx": Format(_write_onnx, _load_onnx),
    "torchscript": Format(_write_torchscript, _load_torchscript),
}
