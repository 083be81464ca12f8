"""Load a run's trained model with its class names and transform."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from core.common.errors import os_error_text, reason_of
from core.common.text import printable
from core.config.load import ConfigError, config_from_tree
from core.config.schema import Config
from core.data.loading.dataset import Transform
from core.data.loading.transforms import make_transforms
from core.inference.checkpoint_lookup import CheckpointError, checkpoint_file, other_checkpoints
from core.model.build import build_model, divide_logits
from core.run.find import find_run
from core.run.folder import DEFAULT_DIR, RunFolder
from core.training.checkpoints.file import DamagedCheckpoint, digest, read_checkpoint


@dataclass(frozen=True, slots=True)
class TrainedRun:
    """The model of a checkpoint with everything that inference needs."""

    folder: RunFolder
    checkpoint: Path
    sha256: str
    """Of the checkpoint file, verified."""
    model: nn.Module
    """In eval mode, on the CPU. Takes normalized images (N, 3, H, W), float32, and returns logits
    (N, classes)."""
    classes: tuple[str, ...]
    """Class names by label: logit i belongs to `classes[i]`."""
    config: Config
    """Configuration of the run."""
    transform: Mapping[str, Any]
    """`image_size`, `mean`, `std`, `interpolation`, `crop_pct`, `crop_mode`, `value_ranges`."""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """Phase, epoch, val top1, top5 and loss of these weights; empty if the file has none."""
    temperature: float | None = None
    """What the logits are divided by; None if they are not calibrated."""

    def val_transform(self) -> Transform:
        """Return the validation transform, from an RGB image to uint8 (3, H, W)."""
        return make_transforms(self.config, dict(self.transform))[1]

    def __str__(self) -> str:
        return f"{printable(self.folder.id)} ({printable(self.checkpoint.name)})"


def load_run(
    run: str | os.PathLike[str],
    checkpoint: str = "best",
    runs_dir: str | Path = DEFAULT_DIR,
    calibrated: bool = False,
) -> TrainedRun:
    """Load the model of a run's checkpoint.

    `run` is the path of a run folder, or a run id (or its beginning) in `runs_dir`. `checkpoint`
    is `best`, `best-head`, `best-full`, `last`, or the path of a checkpoint file of the run. Where
    phase full keeps an EMA of the weights, the EMA weights are loaded. `calibrated` divides the
    logits by the temperature of the checkpoint: the predictions stay the same, their confidence
    matches the accuracy on the validation images. The SHA-256 of the file is
    verified first. Raises SetupError for an unknown run, and CheckpointError for a checkpoint that
    is missing, damaged or incompatible, or has no temperature.
    """
    folder = find_run(Path(runs_dir), os.fspath(run))
    file = checkpoint_file(folder, checkpoint)
    content = _content(folder, file)
    try:
        config = config_from_tree(content["config"])
        classes = tuple(str(name) for name in content["classes"])
        untrained = config.model.model_copy(update={"pretrained": False, "weights": None})
        model, _ = build_model(untrained, len(classes), config.seed)
        model.load_state_dict(_weights(content))
        transform = {**content["transform"]}
        temperature = _temperature(file, content) if calibrated else None
    except (KeyError, TypeError, RuntimeError, ConfigError) as error:
        raise CheckpointError(
            f"{printable(str(file))} was written by an incompatible version: {reason_of(error)}"
        ) from error
    if temperature is not None:
        divide_logits(model, temperature)
    return TrainedRun(
        folder=folder,
        checkpoint=file,
        sha256=digest(file),
        model=model.eval().requires_grad_(False),
        classes=classes,
        config=config,
        transform=transform,
        metrics=content.get("metrics", {}),
        temperature=temperature,
    )


def _weights(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the weights that validation uses: the EMA if there is one."""
    # A resumable checkpoint has the raw training weights under `model` and the EMA in its training
    # state; the best checkpoints have no training state, and the EMA under `model`.
    return content.get("train_state", {}).get("averaged") or content["model"]  # type: ignore[no-any-return]


def _temperature(file: Path, content: Mapping[str, Any]) -> float:
    found = content.get("metrics", {}).get("temperature")
    if found is None:
        raise CheckpointError(
            f"{printable(str(file))} has no temperature to calibrate with: only best checkpoints "
            "have one, of runs trained by this version"
        )
    return float(found)


def _content(folder: RunFolder, file: Path) -> dict[str, Any]:
    others = other_checkpoints(folder, file)
    try:
        return read_checkpoint(file)
    except OSError as error:
        reason = os_error_text(error)
        raise CheckpointError(f"{printable(str(file))} can't be read: {reason}{others}") from None
    except DamagedCheckpoint as error:
        folder_name = printable(str(file.parent))
        raise CheckpointError(f"{folder_name}: {printable(str(error))}{others}") from None
