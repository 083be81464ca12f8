"""Pretrain the demo's backbone: draw the training images, export the weights of a run.

    python -m tests.tools.demo_backbone.pretraining draw DIR
    convnext-tui --no-ui --config demo-backbone --data DIR --name backbone
    python -m tests.tools.demo_backbone.pretraining export RUN OUT.safetensors

The first command draws classes that the demo doesn't have, the second trains on them, the third
exports the best checkpoint without its classifier.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.common.files import write_atomically
from core.demo.storage import DRAWING_VERSION, draw_folder
from tests.tools.demo_backbone.classes import PRETRAINING_SET

PRETRAINING_SEED = 1
"""Seed of the pretraining images."""

IMAGES_PER_CLASS = 200
"""Number of images per pretraining class."""

Tree = dict[str, Any]


def draw(root: Path, per_class: int = IMAGES_PER_CLASS) -> None:
    """Draw the pretraining set into `root`/<class>/<number>.png; raises OSError."""
    draw_folder(root, PRETRAINING_SET, PRETRAINING_SEED, per_class)


def export(source: Path, target: Path) -> None:
    """Write the backbone of a run (its `checkpoints/best.pt`) or of a checkpoint as safetensors.

    The classifier is left out, and every tensor is float32. The metadata describe the training.

    Raises:
        OSError: the checkpoint can't be read or the target can't be written.
        ValueError: the file is not a checkpoint of this program.
    """
    import safetensors.torch
    import timm
    import torch

    file = source / "checkpoints" / "best.pt" if source.is_dir() else source
    checkpoint: Tree = torch.load(file, map_location="cpu", weights_only=True)
    if not {"model", "config", "classes"} <= checkpoint.keys():
        raise ValueError(f"{file} is not a checkpoint of this program")
    name = checkpoint["config"]["model"]["name"]
    classifier = timm.create_model(name).pretrained_cfg["classifier"]
    backbone = {
        key: tensor.detach().float().contiguous()
        for key, tensor in checkpoint["model"].items()
        if not key.startswith(f"{classifier}.")
    }
    content = safetensors.torch.save(backbone, metadata=_origin(checkpoint, name))
    write_atomically(target, lambda out: out.write(content))


def _origin(checkpoint: Tree, name: str) -> dict[str, str]:
    """Return the origin of the weights as safetensors metadata."""
    config = checkpoint["config"]
    return {
        "model": name,
        "made_by": "convnext-tui, preset demo-backbone",
        "pictures": f"tests.tools.demo_backbone.pretraining draw, "
        f"drawing version {DRAWING_VERSION}",
        "classes": " ".join(checkpoint["classes"]),
        "seed": str(config["seed"]),
        "image_size": str(config["data"]["image_size"]),
        **{f"val_{key}": f"{value:.4f}" for key, value in checkpoint.get("metrics", {}).items()},
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error exits with one line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.tools.demo_backbone.pretraining", description=__doc__
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="command", required=True)
    drawing = commands.add_parser("draw", help="draw the pretraining set")
    drawing.add_argument("folder", type=Path, metavar="DIR")
    exporting = commands.add_parser("export", help="export the backbone of a run")
    exporting.add_argument("source", type=Path, metavar="RUN_OR_CHECKPOINT")
    exporting.add_argument("target", type=Path, metavar="OUT.safetensors")
    args = parser.parse_args(arguments)
    try:
        if args.command == "draw":
            draw(args.folder)
        else:
            export(args.source, args.target)
    except (OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
