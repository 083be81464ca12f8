"""Export the weights as safetensors, with metadata in the file's header."""

import json
from pathlib import Path

import safetensors.torch
from torch import Tensor, nn

from core.inference.export.formats import Metadata
from core.inference.export.target import ExportError
from core.inference.trained_run import TrainedRun
from core.model.build import build_model, load_weights


def write(
    run: TrainedRun, model: nn.Module, example: Tensor, path: Path, metadata: Metadata
) -> None:
    """Write the state dict of the run's model."""
    # The format's metadata values must be text.
    texts = {"format": "pt", **{key: json.dumps(value) for key, value in metadata.items()}}
    tensors = {name: value.contiguous() for name, value in run.model.state_dict().items()}
    safetensors.torch.save_file(tensors, path, texts)


def load(run: TrainedRun, path: Path) -> nn.Module:
    """Load the weights into a new model with other initial weights."""
    untrained = run.config.model.model_copy(update={"pretrained": False, "weights": None})
    model, _ = build_model(untrained, len(run.classes), seed=run.config.seed + 1)
    report = load_weights(model, path)
    if missing := [*report.missing, *report.new_head]:
        raise ExportError(f"{path.name} lacks {', '.join(missing[:3])}")
    return model.eval()
