"""Export a run's model: write it to a temporary folder, verify it, move it into place."""

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from core.common.errors import reason_of
from core.common.files import sync_folder, write_text_atomically
from core.common.text import printable
from core.data.sources import parse_location
from core.inference.export.model_card import Verification, model_card
from core.inference.export.target import ExportError, ExportTarget
from core.inference.image_recipe import reduced_side
from core.inference.labeled_images import LabeledImagesError, list_split_images
from core.inference.predict import run_metadata
from core.inference.predictor import Predictor, require_finite
from core.inference.trained_run import TrainedRun
from core.model.normalize import NormalizedModel

TOLERANCE = 1e-4
"""Largest allowed difference of a probability between the export and the run's model."""
MAX_IMAGES = 64
CARD = "README.md"


@dataclass(frozen=True, slots=True)
class ExportResult:
    """A finished export and its verification."""

    path: Path
    card: Path
    """File of the model card."""
    images: int
    """Images that the export was verified with."""
    real_images: bool
    """Whether they were read from files rather than random."""
    max_difference: float
    """Largest difference of a probability."""
    same_top1: int
    """Images with equal top-1 predictions."""


def export(
    run: TrainedRun, target: ExportTarget, images: Sequence[str] | None = None
) -> ExportResult:
    """Export a run's model with class names, transform, provenance and a model card.

    The export is loaded as another program would load it, and its probabilities are compared with
    the model's on `images` (paths; by default validation images of the run, or random images if
    those can't be read). Raises ExportError, leaving the target unchanged, if they differ by more
    than TOLERANCE; SetupError if the export can't be written.
    """
    target.check()
    out = target.path
    pixels, are_real = _verification_images(run, images)
    model = _model_with_normalize(run) if target.with_normalize else run.model
    inputs = pixels if target.with_normalize else _normalized(run, pixels)
    metadata = _metadata(run, target.with_normalize)
    module = target.format.load_module()
    try:
        with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
            written = Path(temporary, out.name)
            module.write(run, model, inputs[:1], written, metadata)
            with torch.no_grad():
                outputs = [model(batch) for batch in torch.split(inputs, 16)]
            expected = require_finite(torch.cat(outputs), run)
            difference, same_top1 = _compare(module.load(run, written), inputs, expected, out)
            verification = Verification(len(pixels), are_real, difference)
            card = model_card(run, target, metadata["input"], verification)
            card_file = Path(temporary, CARD) if written.is_file() else written / CARD
            card_file.write_text(card, encoding="utf-8")
            _copy_mode(card_file, written)
            _move(written, out)
    except OSError as error:
        raise ExportError(f"{printable(str(out))} can't be written: {reason_of(error)}") from None
    card_file = out / CARD if out.is_dir() else out.with_name(f"{out.name}.md")
    if not out.is_dir():
        write_text_atomically(card_file, card)
    return ExportResult(out, card_file, len(pixels), are_real, difference, same_top1)


def _model_with_normalize(run: TrainedRun) -> nn.Module:
    return NormalizedModel(run.model, run.transform["mean"], run.transform["std"]).eval()


def _metadata(run: TrainedRun, with_normalize: bool) -> dict[str, Any]:
    provenance = dict(run_metadata(run))
    size = run.transform["image_size"]
    values = "uint8, 0 to 255" if with_normalize else "float32, normalized with mean and std"
    return {
        "classes": provenance.pop("classes"),
        "transform": {
            **run.transform,
            "background": run.config.data.background,
            "reduced_side": reduced_side(run),
        },
        "provenance": {**provenance, "metrics": dict(run.metrics)},
        "input": f"RGB images (batch, 3, {size}, {size}), {values}",
    }


def _verification_images(run: TrainedRun, paths: Sequence[str] | None) -> tuple[Tensor, bool]:
    """Return images (N, 3, H, W), uint8, and whether they were read from files. Raises ExportError
    if none of `paths` can be read."""
    requested = paths
    if paths is None:
        with suppress(LabeledImagesError):
            root = parse_location(run.config.data.root or "")
            paths = list_split_images(run.folder, root, run.classes, "val").paths
    paths = paths or ()
    some = paths[:: max(1, len(paths) // MAX_IMAGES)][:MAX_IMAGES]
    batches = Predictor(run, device="cpu").read(some)
    views = [one.views[0] for batch in batches for one in batch if one.views]
    if views:
        return torch.stack(views), True
    if requested:
        raise ExportError(f"none of the images can be read: {printable(requested[0])} …")
    size = int(run.transform["image_size"])
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (8, 3, size, size), generator=generator, dtype=torch.uint8), False


def _normalized(run: TrainedRun, images: Tensor) -> Tensor:
    mean, std = (torch.tensor(run.transform[name])[:, None, None] for name in ("mean", "std"))
    return images.float().div_(255).sub_(mean).div_(std)


def _compare(
    exported: Callable[[Tensor], Tensor], inputs: Tensor, expected: Tensor, out: Path
) -> tuple[float, int]:
    """Return the largest difference of a probability, and the number of equal top-1 predictions.

    Uses a batch of one and a larger one: an export with a fixed batch size fails here.
    """
    with torch.no_grad():
        batches = [inputs[:1], inputs[1:]] if len(inputs) > 1 else [inputs]
        logits = torch.cat([exported(batch) for batch in batches])
    difference = float((logits.softmax(1) - expected.softmax(1)).abs().max())
    same_top1 = int((logits.argmax(1) == expected.argmax(1)).sum())
    if not difference <= TOLERANCE:
        raise ExportError(
            f"{printable(out.name)} failed verification and was not kept: its probabilities differ "
            f"from the run's by up to {difference:.1e} ({TOLERANCE:.0e} is allowed)"
        )
    return difference, same_top1


def _move(written: Path, out: Path) -> None:
    if out.is_dir():
        old = out.with_name(f".{out.name}.{os.getpid()}.old")
        out.replace(old)
        written.replace(out)
        if old.is_symlink():
            old.unlink()
        else:
            shutil.rmtree(old, ignore_errors=True)
    else:
        written.replace(out)
    sync_folder(out.parent)


def _copy_mode(source: Path, written: Path) -> None:
    """Give an export the permissions of a new file: safetensors makes its files private."""
    mode = source.stat().st_mode
    for path in written.iterdir() if written.is_dir() else [written]:
        path.chmod(mode)
