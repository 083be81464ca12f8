"""Section `data` of the configuration: image folder, splits, loading and augmentation."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from core.config.augment_presets import NONE, preset_values
from core.config.fields import (
    MAX_SEED,
    AutoAugment,
    Color,
    Folds,
    NotNegative,
    Pattern,
    Probability,
    Section,
    ValueRange,
    inconsistent,
)


class AugmentConfig(Section):
    """Augmentation of training images with timm's `create_transform`."""

    preset: Literal["custom", "none", "light", "medium", "strong"] = "custom"
    """Sets all other keys of `data.augment`, except those set in the same place (file or command
    line) or later. none = the validation transform; light, medium; strong = for many epochs;
    custom = sets nothing."""
    min_scale: Annotated[float, Field(gt=0, le=1)] = 0.7
    """Smallest fraction of the image area that a random crop keeps. With preset none, 1 = resize
    and crop as in validation."""
    hflip: Probability = 0.5
    """Probability of a horizontal flip."""
    vflip: Probability = 0.0
    """Probability of a vertical flip."""
    color_jitter: NotNegative = 0.2
    """Strength of random brightness, contrast and saturation; 0 = off."""
    auto_augment: AutoAugment | None = None
    """An automatic augmentation policy; null = none. timm's `rand` (RandAugment), `augmix`
    (AugMix), `original`, `originalr`, `v0`, `v0r` (AutoAugment) and `3a` (3-Augment) take sections
    such as `-m9` (level) and `-mstd0.5` (its standard deviation); `trivial` (TrivialAugment) takes
    none. It replaces the color jitter, except with 3a."""
    erase: Probability = 0.0
    """Probability of erasing a random rectangle."""

    @model_validator(mode="before")
    @classmethod
    def _fill_preset(cls, given: object) -> object:
        """Set the keys of the preset that are not given."""
        if isinstance(given, Mapping):
            return {**preset_values(given.get("preset")), **given}
        return given

    @property
    def crops_as_in_validation(self) -> bool:
        """Whether training images are resized and cropped as validation images are."""
        return self.preset == NONE and self.min_scale == 1


class DataConfig(Section):
    """Image folder, splits and data loading."""

    root: str | None = None
    """Folder with one subfolder per class, or with `train/` and `val/`; or a URL that fsspec opens,
    such as `s3://bucket/photos` or `zip://::photos.zip`, without a password. Required to train."""
    val_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Fraction of each class that is held out for validation; unused with `train/` and `val/`."""
    test_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Fraction of each class that training never sees, for `convnext-tui evaluate`; 0 = none."""
    group: Pattern | None = None
    """Regular expression: images whose paths give the same match stay in the same split, such as
    `(patient\\d+)_`; null = only duplicates stay together."""
    near_duplicates: Literal["group", "warn", "ignore"] = "group"
    """Images that look alike, in a split by seed. group = they stay in the same split where their
    class still gets its share, warn = they are divided like other images, with a warning, ignore =
    without a warning. Copies of a file stay together in any case."""
    split: str | None = None
    """A run's `split.csv`: its images keep their splits, all others are used for training; null =
    split by seed."""
    split_seed: Annotated[int, Field(ge=0, le=MAX_SEED)] | None = None
    """Seed of the split, so that runs with different seeds have the same split; null = `seed`."""
    folds: Folds = 0
    """Number of folds of a cross-validation: each class is divided evenly into so many folds, of
    which one is used for validation and the others for training; 0 = none. Near-duplicates stay in
    one fold unless their class would be missing in another. Replaces `val_fraction`; the test
    images of `test_fraction` are equal for all folds."""
    fold: Annotated[int, Field(ge=0)] = 0
    """The fold used for validation, from 0 to `folds` - 1."""
    background: Color = "white"
    """Color under transparent images."""
    value_range: Literal["auto"] | ValueRange = "auto"
    """Values of 16-bit, integer and float images that become black and white, such as `[0, 4095]`;
    auto = decided once for all images of the folder, from their metadata and values. 8-bit images
    are never scaled."""
    image_size: Annotated[int, Field(ge=16, le=2048)] = 224
    """Side of the square model input, in pixels."""
    crop_pct: Literal["auto"] | Annotated[float, Field(gt=0.1, le=1)] = 1.0
    """Fraction of the short side of an image that validation and prediction look at, in its center;
    auto = that of the pretrained weights."""
    batch_size: Annotated[int, Field(ge=1, le=65536)] | Literal["auto"] = 64
    """Images per training step; auto = as many as fit into GPU memory, 64 without a GPU."""
    micro_batch_size: Annotated[int, Field(ge=1, le=65536)] | None = None
    """Images per forward pass, with gradients accumulated over a step; null = the whole batch,
    halved automatically when memory is too small."""
    workers: Annotated[int, Field(ge=0, le=256)] | Literal["auto"] = "auto"
    """Data loading processes; 0 = load in the engine's thread, auto = as many as keep up with the
    model, measured at the start."""
    balance: Literal["none", "loss", "sampler"] = "none"
    """For imbalanced classes. loss = weight the training loss by the effective number of images per
    class (Cui et al., 2019, beta 0.999), 1 on average; sampler = an epoch draws as many images as
    there are, with replacement, each class equally often. Both improve metrics that weight classes
    equally, and reduce top-1 where validation is as imbalanced as training. In phase head the first
    `phases.head.views` epochs visit every image once in any case, to compute its features."""
    decode_once: bool = True
    """Reduce each image once to the size the crops need and cache it; false = decode the whole file
    every time, as a plain ImageFolder does."""
    augment: AugmentConfig = AugmentConfig()
    """Augmentation of training images."""

    @model_validator(mode="after")
    def _check_folds(self) -> Self:
        if self.fold >= max(1, self.folds):
            expected = f"expected 0 to {self.folds - 1}" if self.folds else "set data.folds as well"
            raise inconsistent(
                f"data.fold is {self.fold}, but data.folds is {self.folds}: {expected}"
            )
        if self.folds and self.split is not None:
            raise inconsistent(
                "data.split already assigns every image to a split: leave data.folds out"
            )
        return self

    @property
    def step_images(self) -> int:
        """Return `batch_size` as a number; `auto` is resolved when a run starts."""
        assert self.batch_size != "auto", "the batch size has not been resolved yet"
        return self.batch_size

    def seed_of_split(self, seed: int) -> int:
        """Return the seed of the split of a run with this `seed`."""
        return seed if self.split_seed is None else self.split_seed
