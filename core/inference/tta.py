"""Test-time augmentation: average the probabilities of several views of an image."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PIL import Image
from timm.data import create_transform
from torch import Tensor
from torchvision.transforms import FiveCrop

from core.config.load import with_values
from core.data.loading.transforms import make_transforms
from core.inference.predictor import ViewFunction
from core.inference.trained_run import TrainedRun

FIVE_CROP_PCT = 0.875
"""Upper limit of `crop_pct` for `five-crop`, whose crops would otherwise nearly coincide."""
SCALES = (0.75, 1.0, 1.25)
_MIN_SIZE = 32


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How to make the views of an image and which of them to average."""

    views: ViewFunction
    """Returns the views; the first is that of the validation transform."""
    averaged: slice
    """The views whose probabilities are averaged."""


def make_tta(kind: str, run: TrainedRun) -> Augmentation:
    """Return the augmentation of a kind, one of TTA, for a run's images."""
    return TTA[kind](run)


def _flip(run: TrainedRun) -> Augmentation:
    transform = run.val_transform()

    def views(image: Image.Image) -> tuple[Tensor, ...]:
        view = transform(image)
        return view, view.flip(-1)

    return Augmentation(views, slice(0, 2))


def _five_crop(run: TrainedRun) -> Augmentation:
    """The four corner crops and the center crop, as in Krizhevsky et al., ImageNet Classification
    with Deep Convolutional Neural Networks, 2012, without their horizontal flips."""
    transform, size = run.val_transform(), int(run.transform["image_size"])
    resized_size = round(size / min(FIVE_CROP_PCT, float(run.transform["crop_pct"])))
    resize = create_transform(
        (3, resized_size, resized_size),
        is_training=False,
        interpolation=run.transform["interpolation"],
        crop_pct=1.0,
        crop_mode=run.transform["crop_mode"],
        normalize=False,
    )
    crops = FiveCrop(size)

    def views(image: Image.Image) -> tuple[Tensor, ...]:
        return transform(image), *crops(resize(image))

    return Augmentation(views, slice(1, 6))


def _multi_scale(run: TrainedRun) -> Augmentation:
    size = int(run.transform["image_size"])
    sizes = [size, *(max(_MIN_SIZE, round(size * scale)) for scale in SCALES if scale != 1)]
    transforms = [
        make_transforms(with_values(run.config, {"data.image_size": each}), dict(run.transform))[1]
        for each in dict.fromkeys(sizes)
    ]

    def views(image: Image.Image) -> tuple[Tensor, ...]:
        return tuple(transform(image) for transform in transforms)

    return Augmentation(views, slice(0, len(transforms)))


TTA: Mapping[str, Callable[[TrainedRun], Augmentation]] = {
    "flip": _flip,
    "five-crop": _five_crop,
    "multi-scale": _multi_scale,
}
"""By the value of the option --tta."""
