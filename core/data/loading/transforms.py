"""timm's transforms for training and validation."""

from collections.abc import Iterator
from typing import Any

from PIL import Image, ImageOps
from timm.data import auto_augment, create_transform
from timm.data.transforms import str_to_interp_mode
from torchvision.transforms import Compose, TrivialAugmentWide

from core.config.auto_augment import TRIVIAL
from core.config.schema import Config
from core.data.loading.dataset import Transform


def make_transforms(config: Config, data_config: dict[str, Any]) -> tuple[Transform, Transform]:
    """Return timm's transforms for training and validation: from an image to uint8 (C, H, W).

    Random erasing fills with zeros after normalization, so with `augment.erase` training images
    are float32 and normalized. `data_config` is from `timm.data.resolve_data_config`: mean, std,
    interpolation and crop that the model was pretrained with. With the augmentation preset `none`,
    both transforms are equal.
    """
    side, augment = config.data.image_size, config.data.augment
    common = {"input_size": (3, side, side), "mean": data_config["mean"], "std": data_config["std"]}
    interpolation = data_config["interpolation"]
    val = create_transform(
        **common,
        is_training=False,
        interpolation=interpolation,
        crop_pct=data_config["crop_pct"],
        crop_mode=data_config["crop_mode"],
        normalize=False,
    )
    is_trivial = augment.auto_augment == TRIVIAL
    spatial, automatic, final = create_transform(
        **common,
        is_training=True,
        interpolation=interpolation,
        scale=(augment.min_scale, 1.0),
        hflip=augment.hflip,
        vflip=augment.vflip,
        color_jitter=None if is_trivial else augment.color_jitter or None,
        auto_augment=None if is_trivial else augment.auto_augment,
        re_prob=augment.erase,
        normalize=augment.erase > 0,
        separate=True,
    )
    crop, *flips = spatial.transforms
    crops = val.transforms[:-1] if augment.crops_as_in_validation else [crop]
    trivial = [_trivial_augment(data_config)] if is_trivial else []
    train = Compose([*crops, *flips, *automatic.transforms, *trivial, *final.transforms])
    for operation in automatic_operations(train):
        if operation.aug_fn is auto_augment.posterize:
            operation.aug_fn = posterize
    return train, val


def _trivial_augment(data_config: dict[str, Any]) -> TrivialAugmentWide:
    """Return TrivialAugment that fills with the mean color, as timm's policies do."""
    return TrivialAugmentWide(
        interpolation=str_to_interp_mode(data_config["interpolation"]),
        fill=[min(255, round(255 * mean)) for mean in data_config["mean"]],
    )


def posterize(image: Image.Image, bits: int, **options: Any) -> Image.Image:
    """Reduce an image to `bits` bits per channel, but at least one.

    timm's highest levels ask for 0 bits, a black image, which Pillow 13 refuses.
    """
    return image if bits >= 8 else ImageOps.posterize(image, max(1, bits))


def automatic_operations(transform: Any) -> Iterator[auto_augment.AugmentOp]:
    """Yield the operations of timm's automatic augmentation policies in a composed transform."""
    for part in transform.transforms:
        nested = [*getattr(part, "ops", ()), *getattr(part, "policy", ())]
        for operation in nested:
            yield from operation if isinstance(operation, list | tuple) else (operation,)
