"""Test-time augmentation: several views of a picture, whose probabilities are averaged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PIL import Image
from timm.data import create_transform
from torch import Tensor
from torchvision.transforms import FiveCrop

from core.config.load import with_values
from core.data.loading.transforms import make_transforms
from core.inference.predictor import Views
from core.inference.trained_run import TrainedRun

FIVE_CROP_PCT = 0.875
"""Share of the short side that a crop of `five-crop` has, where the run's own crop has more."""
SCALES = (0.75, 1.0, 1.25)
_SMALLEST = 32


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What a picture is turned into; the first view is always validation's own."""

    views: Views
    averaged: slice
    """Which of the views count."""


def augmentation(kind: str, run: TrainedRun) -> Augmentation:
    """Return one of KINDS for a run's pictures."""
    return KINDS[kind](run)


def _flip(run: TrainedRun) -> Augmentation:
    plain = run.val_transform()

    def views(picture: Image.Image) -> tuple[Tensor, ...]:
        view = plain(picture)
        return view, view.flip(-1)

    return Augmentation(views, slice(0, 2))


def _five_crop(run: TrainedRun) -> Augmentation:
    """The four corners and the middle, as in Krizhevsky et al., ImageNet Classification with Deep
    Convolutional Neural Networks, 2012, without their mirrored ones."""
    plain, side = run.val_transform(), int(run.transform["image_size"])
    whole = round(side / min(FIVE_CROP_PCT, float(run.transform["crop_pct"])))
    resized = create_transform(
        (3, whole, whole),
        is_training=False,
        interpolation=run.transform["interpolation"],
        crop_pct=1.0,
        crop_mode=run.transform["crop_mode"],
        normalize=False,
    )
    crops = FiveCrop(side)

    def views(picture: Image.Image) -> tuple[Tensor, ...]:
        return plain(picture), *crops(resized(picture))

    return Augmentation(views, slice(1, 6))


def _multi_scale(run: TrainedRun) -> Augmentation:
    side = int(run.transform["image_size"])
    sides = [side, *(max(_SMALLEST, round(side * scale)) for scale in SCALES if scale != 1)]
    transforms = [
        make_transforms(with_values(run.config, {"data.image_size": each}), dict(run.transform))[1]
        for each in dict.fromkeys(sides)
    ]

    def views(picture: Image.Image) -> tuple[Tensor, ...]:
        return tuple(transform(picture) for transform in transforms)

    return Augmentation(views, slice(0, len(transforms)))


KINDS: Mapping[str, Callable[[TrainedRun], Augmentation]] = {
    "flip": _flip,
    "five-crop": _five_crop,
    "multi-scale": _multi_scale,
}
