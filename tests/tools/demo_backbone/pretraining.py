"""How the demo's backbone was made: its pictures, and its file from a run of this very engine.

    python -m tests.tools.demo_backbone.pretraining draw DIR
    convnext-tui --no-ui --config demo-backbone --data DIR --name backbone
    python -m tests.tools.demo_backbone.pretraining export RUN OUT.safetensors

The first draws classes that the demo doesn't have, the second trains on them, the third keeps
everything of the best checkpoint but the classifier.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.common.files import write_atomically
from core.demo.classes import PRETRAINING_SET
from core.demo.storage import DRAWING_VERSION, draw_folder

PRETRAINING_SEED = 1
"""Seed of the pretraining pictures."""

IMAGES_PER_CLASS = 200
"""Pictures of each pretraining class."""

Tree = dict[str, Any]


def draw(root: Path, per_class: int = IMAGES_PER_CLASS) -> None:
    """Draw the pretraining set into `root`/<class>/<number>.png; raises OSError."""
    draw_folder(root, PRETRAINING_SET, PRETRAINING_SEED, per_class)


def export(source: Path, target: Path) -> None:
    """Write the backbone of a run (its `checkpoints/best.pt`) or of a checkpoint as safetensors.

    The classifier is left out; every tensor is float32; the metadata say what made the file.

    Raises:
        OSError: the checkpoint can't be read or the target can't be written.
        ValueError: the file is no checkpoint of this engine.
    """
    import safetensors.torch
    import timm
    import torch

    file = source / "checkpoints" / "best.pt" if source.is_dir() else source
    checkpoint: Tree = torch.load(file, map_location="cpu", weights_only=True)
    if not {"model", "config", "classes"} <= checkpoint.keys():
        raise ValueError(f"{file} is no checkpoint of this engine")
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
    """Return what made the weights, as safetensors' text metadata."""
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
    """Run the command line; ends the process with one line on what went wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.tools.demo_backbone.pretraining", description=__doc__
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="command", required=True)
    drawing = commands.add_parser("draw", help="draw the pretraining set")
    drawing.add_argument("folder", type=Path, metavar="DIR")
    exporting = commands.add_parser("export", help="keep the backbone of a run")
    exporting.add_argument("source", type=Path, metavar="RUN_OR_CHECKPOINT")
    exporting.add_argument("target", type=Path, metavar="OUT.safetensors")
    asked = parser.parse_args(arguments)
    try:
        if asked.command == "draw":
            draw(asked.folder)
        else:
            export(asked.source, asked.target)
    except (OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
