"""Export a folder for `timm.create_model("local-dir:…")` and the Hugging Face Hub."""

from pathlib import Path
from typing import Any

import timm
from timm.models import save_for_hf
from torch import Tensor, nn

from core.inference.export.formats import Metadata
from core.inference.trained_run import TrainedRun


def write(
    run: TrainedRun, model: nn.Module, example: Tensor, path: Path, metadata: Metadata
) -> None:
    """Write weights and configuration, with the transform of the run in `pretrained_cfg`."""
    size = int(run.transform["image_size"])
    trained: Any = run.model
    before = trained.pretrained_cfg
    # The pretrained values may be of another image size than the run's.
    values = {
        **{name: run.transform[name] for name in ("mean", "std", "interpolation")},
        **{name: run.transform[name] for name in ("crop_pct", "crop_mode")},
        "input_size": (3, size, size),
        "test_input_size": None,
        "test_crop_pct": None,
        "num_classes": len(run.classes),
        "pool_size": None,
    }
    try:
        trained.pretrained_cfg = {**before, **values}
        config = {"label_names": list(run.classes), "convnext_tui": metadata["provenance"]}
        save_for_hf(trained, str(path), model_config=config, safe_serialization=True)
    finally:
        trained.pretrained_cfg = before


def load(run: TrainedRun, path: Path) -> nn.Module:
    """Create the model from the folder."""
    model: nn.Module = timm.create_model(f"local-dir:{path}", pretrained=True)
    return model.eval()
