"""A run's network as it was trained: weights, class names and the transform they belong to."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from core.common.errors import os_error_text
from core.common.text import printable
from core.config.load import ConfigError, config_from_tree
from core.config.schema import Config
from core.data.loading.dataset import Transform
from core.data.loading.transforms import make_transforms
from core.inference.checkpoint_lookup import RunError, checkpoint_file, others
from core.model.build import build_model
from core.run.find import find_run
from core.run.folder import DEFAULT_DIR, RunFolder
from core.training.checkpoints.file import DamagedCheckpoint, digest, read_checkpoint


@dataclass(frozen=True, slots=True)
class TrainedRun:
    """The network of one checkpoint with all that is needed to use it."""

    folder: RunFolder
    checkpoint: Path
    sha256: str
    """Of the checkpoint's file, which was found to fit."""
    model: nn.Module
    """In eval mode, on the CPU. Takes normalize pictures (N, 3, H, W), float32; gives logits
    (N, classes)."""
    classes: tuple[str, ...]
    """By label: logit i is that of `classes[i]`."""
    config: Config
    """What the run used."""
    transform: Mapping[str, Any]
    """`image_size`, `mean`, `std`, `interpolation`, `crop_pct`, `crop_mode`."""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """Phase, epoch, val top1, top5 and loss of these weights; empty where the file has none."""

    def val_transform(self) -> Transform:
        """Return what validation makes of a picture in mode RGB: uint8 (3, H, W)."""
        return make_transforms(self.config, dict(self.transform))[1]

    def __str__(self) -> str:
        return f"{printable(self.folder.id)} ({printable(self.checkpoint.name)})"


def load_run(
    run: str | os.PathLike[str], checkpoint: str = "best", runs_dir: str | Path = DEFAULT_DIR
) -> TrainedRun:
    """Load a run's network from one of its checkpoints.

    `run` is the path of a run's folder, or an id (or the beginning of one) in `runs_dir`.
    `checkpoint` is `best`, `best-head`, `best-full`, `last`, or the path of a file that the run
    wrote. Where phase full keeps an average of the weights, it is the average that is loaded. The
    checkpoint's SHA-256 is verified first. Raises SetupError for a run that isn't there, RunError
    for a checkpoint that is missing, damaged or of another program.
    """
    folder = find_run(Path(runs_dir), os.fspath(run))
    file = checkpoint_file(folder, checkpoint)
    content = _content(folder, file)
    try:
        config = config_from_tree(content["config"])
        classes = tuple(str(name) for name in content["classes"])
        bare = config.model.model_copy(update={"pretrained": False, "weights": None})
        model, _ = build_model(bare, len(classes), config.seed)
        model.load_state_dict(_weights(content))
        transform = {**content["transform"]}
    except (KeyError, TypeError, RuntimeError, ConfigError) as error:
        raise RunError(
            f"{printable(str(file))} is of another version of this program: "
            f"{printable(' '.join(str(error).split()))[:200]}"
        ) from error
    return TrainedRun(
        folder=folder,
        checkpoint=file,
        sha256=digest(file),
        model=model.eval().requires_grad_(False),
        classes=classes,
        config=config,
        transform=transform,
        metrics=content.get("metrics", {}),
    )


def _weights(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the weights that validation saw, or would see."""
    # A checkpoint to go on from has the training's own weights under `model`; the files of the
    # best, which hold no training state, have the average there already.
    return content.get("train_state", {}).get("averaged") or content["model"]  # type: ignore[no-any-return]


def _content(folder: RunFolder, file: Path) -> dict[str, Any]:
    other = others(folder, file)
    try:
        return read_checkpoint(file)
    except OSError as error:
        why = os_error_text(error)
        raise RunError(f"{printable(str(file))} can't be read: {why}{other}") from None
    except DamagedCheckpoint as error:
        raise RunError(f"{printable(str(file.parent))}: {printable(str(error))}{other}") from None
