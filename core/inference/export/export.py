"""A run's network for other programs: written apart, compared with the run, put in place."""

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from core.common.files import sync_folder, write_text_atomically
from core.common.text import printable
from core.data.sources import parse_location
from core.inference.export.checks import ExportError, check_target
from core.inference.export.formats import FORMATS, Logits, pixel_network
from core.inference.export.model_card import model_card
from core.inference.labeled_images import LabelledError, own_pictures
from core.inference.predict import about
from core.inference.predictor import Predictor
from core.inference.trained_run import TrainedRun

TOLERANCE = 1e-4
"""By how much a probability may differ from the run's."""
MOST_PICTURES = 64
CARD = "README.md"


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and how it compares with the run's own network."""

    path: Path
    card: Path
    pictures: int
    real: bool
    """Whether those were pictures of files, and not noise."""
    difference: float
    """Largest difference of a probability."""
    same_top1: int
    """Pictures for which the most probable class is the same."""


def export(
    run: TrainedRun,
    to: str,
    out: Path,
    with_normalize: bool = False,
    pictures: Sequence[str] | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write a run's network as one of FORMATS, with class names, transform and provenance, and a
    model card beside or in it.

    What was written is loaded again as another program would, and compared with the network on
    `pictures` (paths; on some that the run has validated on if not given, on noise where those are
    gone). With `with_normalize` it takes the bytes of pictures, uint8, instead of normalize
    float32. Raises ExportError, leaving what stood at `out`, when it differs by more than
    TOLERANCE; SetupError when it can't be made.
    """
    check_target(to, out, with_normalize, overwrite)
    form = FORMATS[to]
    images, real = _images(run, pictures)
    net = pixel_network(run, with_normalize)
    examples = images if with_normalize else _normalised(run, images)
    told = {**_told(run), "input": _input(run, with_normalize)}
    try:
        with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as apart:
            made = Path(apart, out.name)
            form.write(run, net, examples[:1], made, told)
            with torch.no_grad():
                expected = torch.cat([net(part) for part in torch.split(examples, 16)])
            difference, same = _compare(form.load(run, made), examples, expected, out)
            card = model_card(run, to, told["input"], (len(images), real, difference))
            card_apart = Path(apart, CARD) if made.is_file() else made / CARD
            card_apart.write_text(card, encoding="utf-8")
            _open_to_others(made, like=card_apart)
            _put(made, out)
    except OSError as error:
        raise ExportError(f"{printable(str(out))} can't be written: {_why(error)}") from None
    card_file = out / CARD if out.is_dir() else out.with_name(f"{out.name}.md")
    if not out.is_dir():
        write_text_atomically(card_file, card)
    return Exported(out, card_file, len(images), real, difference, same)


def _told(run: TrainedRun) -> dict[str, Any]:
    source = dict(about(run))
    return {
        "classes": source.pop("classes"),
        "transform": dict(run.transform),
        "provenance": {**source, "metrics": dict(run.metrics)},
    }


def _input(run: TrainedRun, with_normalize: bool) -> str:
    side = run.transform["image_size"]
    what = "uint8, 0 to 255" if with_normalize else "float32, normalize by mean and std"
    return f"RGB pictures (batch, 3, {side}, {side}), {what}"


def _images(run: TrainedRun, paths: Sequence[str] | None) -> tuple[Tensor, bool]:
    """Return pictures (N, 3, H, W), uint8, to compare on, and whether they are of files. Raises
    ExportError where none of `paths` can be read."""
    asked_for = paths
    if paths is None:
        with suppress(LabelledError):
            root = parse_location(run.config.data.root or "")
            paths = own_pictures(run.folder, root, run.classes, "val").paths
    paths = paths or ()
    some = paths[:: max(1, len(paths) // MOST_PICTURES)][:MOST_PICTURES]
    groups = Predictor(run, device="cpu").read(some)
    views = [one.views[0] for group in groups for one in group if one.views]
    if views:
        return torch.stack(views), True
    if asked_for:
        raise ExportError(f"none of the pictures can be read: {printable(asked_for[0])} …")
    side = int(run.transform["image_size"])
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (8, 3, side, side), generator=generator, dtype=torch.uint8), False


def _normalised(run: TrainedRun, images: Tensor) -> Tensor:
    mean, std = (torch.tensor(run.transform[name])[:, None, None] for name in ("mean", "std"))
    return images.float().div_(255).sub_(mean).div_(std)


def _compare(found: Logits, images: Tensor, expected: Tensor, out: Path) -> tuple[float, int]:
    """Return the largest difference of a probability, and how many top-1 are the same.

    One picture and several at once: a batch size that was taken for a constant fails here.
    """
    with torch.no_grad():
        logits = torch.cat([found(images[:1]), *([found(images[1:])] if len(images) > 1 else [])])
    difference = float((logits.softmax(1) - expected.softmax(1)).abs().max())
    same = int((logits.argmax(1) == expected.argmax(1)).sum())
    if not difference <= TOLERANCE:
        raise ExportError(
            f"{printable(out.name)} was not kept: its probabilities differ from the run's by up to "
            f"{difference:.1e} ({TOLERANCE:.0e} is allowed)"
        )
    return difference, same


def _put(made: Path, out: Path) -> None:
    if out.is_dir():
        old = out.with_name(f".{out.name}.{os.getpid()}.old")
        out.replace(old)
        made.replace(out)
        if old.is_symlink():
            old.unlink()
        else:
            shutil.rmtree(old, ignore_errors=True)
    else:
        made.replace(out)
    sync_folder(out.parent)


def _open_to_others(made: Path, like: Path) -> None:
    """Let who may read files of this process read these: safetensors keeps its own to itself."""
    mode = like.stat().st_mode
    for path in made.iterdir() if made.is_dir() else [made]:
        path.chmod(mode)


def _why(error: OSError) -> str:
    return error.strerror or printable(" ".join(str(error).split()))[:200]
