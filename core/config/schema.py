"""Configuration schema: typed, frozen, validated at the start; the documentation of every key.

A configuration is built in three layers: the defaults below, a preset or YAML file, and `KEY=VALUE`
overrides. The defaults are those of the preset `default`. The result is frozen: a live change while
a run trains is a logged command on top of it.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from core.common.color import is_color
from core.config.devices import Device
from core.config.optimizers import OPTIMIZERS
from core.config.phases import FULL, HEAD, PHASES

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
MAX_SEED = 2**63 - 1


def _validate_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(str(error)) from None
    return text


def _validate_color(text: str) -> str:
    if not is_color(text):
        raise ValueError("not a color")
    return text


def _described(words: str) -> object:
    """Return a field whose error message describes the allowed values with these words."""
    return Field(json_schema_extra={"words": words})


Pattern = Annotated[str, AfterValidator(_validate_pattern), _described("a regular expression")]
Color = Annotated[str, AfterValidator(_validate_color), _described("a color name or #rrggbb")]


def _validate_range(pair: list[int | float]) -> list[int | float]:
    low, high = pair
    largest = max(abs(low), abs(high))
    if not largest < _MAX_VALUE or not high - low > max(_MIN_WIDTH * largest, 1 / _MAX_VALUE):
        raise ValueError("not a range")
    return pair


_MAX_VALUE, _MIN_WIDTH = 1e38, 1e-6
"""Of float32: its largest value, and the relative difference of neighboring ones."""
ValueRange = Annotated[
    list[int | float],
    Field(min_length=2, max_length=2),
    BeforeValidator(lambda value: list(value) if isinstance(value, tuple) else value),
    AfterValidator(_validate_range),
    _described("[low, high] with low below high"),
]
"""Lowest and highest pixel value."""


def _validate_folds(number: int) -> int:
    if number != 0 and not 2 <= number <= MAX_FOLDS:
        raise ValueError("not a number of folds")
    return number


MAX_FOLDS = 1000
Folds = Annotated[
    int, AfterValidator(_validate_folds), _described(f"0, or a whole number from 2 to {MAX_FOLDS}")
]
INCONSISTENT = "inconsistent_keys"
"""Type of the validation error of keys that exclude each other; its message is a sentence."""


def _optimizer(name: str) -> str:
    if name not in OPTIMIZERS:
        raise ValueError(f"no optimizer {name!r}")
    return name


def _name_optimizers(schema: dict[str, object]) -> None:
    schema["words"] = " or ".join(OPTIMIZERS)


OptimizerName = Annotated[
    str, AfterValidator(_optimizer), Field(json_schema_extra=_name_optimizers)
]
"""A name in the registry of optimizers, which may grow while the program runs."""


def _inconsistent(sentence: str) -> PydanticCustomError:
    return PydanticCustomError(INCONSISTENT, "{sentence}", {"sentence": sentence})


class _Section(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )


class AugmentConfig(_Section):
    """Augmentation of training images with timm's `create_transform`."""

    min_scale: Annotated[float, Field(gt=0, le=1)] = 0.35
    """Smallest fraction of the image area that a random crop keeps."""
    hflip: Probability = 0.5
    """Probability of a horizontal flip."""
    vflip: Probability = 0.0
    """Probability of a vertical flip."""
    color_jitter: NotNegative = 0.4
    """Strength of random brightness, contrast and saturation; 0 = off."""
    auto_augment: str | None = None
    """A timm policy such as `rand-m9-mstd0.5`; null = none. It replaces the color jitter."""
    erase: Probability = 0.0
    """Probability of erasing a random rectangle."""


class DataConfig(_Section):
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
            raise _inconsistent(
                f"data.fold is {self.fold}, but data.folds is {self.folds}: {expected}"
            )
        if self.folds and self.split is not None:
            raise _inconsistent(
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


class ModelConfig(_Section):
    """Model and initial weights."""

    name: Annotated[str, StringConstraints(min_length=1)] = "convnext_tiny.in12k_ft_in1k"
    """A timm model name; any `convnext*` or `convnextv2*`, others where timm supports them."""
    pretrained: bool = True
    """Download timm's pretrained weights on first use (stored in the Hugging Face cache)."""
    weights: str | None = None
    """A local `.safetensors`, `.pth` or `.pt` file; takes precedence over `pretrained`."""


class CheckpointConfig(_Section):
    """Checkpoints besides those at every epoch's end and every stop."""

    every_minutes: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 5.0
    """Minutes of training between checkpoints within an epoch; fractions are allowed."""
    keep_manual: Annotated[int, Field(ge=1)] | None = None
    """Number of newest manual checkpoints to keep when another one is saved; null = keep all."""


class CacheConfig(_Section):
    """Cache shared between runs, in the user's cache folder."""

    max_gb: NotNegative = 20.0
    """Maximum size of decoded images and backbone features, in GB (10^9 bytes); 0 = keep features
    in memory and cache neither images nor scan results."""


class SchedulerConfig(_Section):
    """Learning rate schedule of a phase."""

    kind: Literal["plateau", "cosine"] = "plateau"
    """plateau = `torch.optim.lr_scheduler.ReduceLROnPlateau` on the validation loss; cosine = decay
    to 0 over all `epochs`, step by step, independent of the loss. With more epochs on resume the
    cosine is stretched over all of them: the rate rises to its value on the longer curve."""
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Factor applied to the learning rate on a plateau, and by nonfinite: rollback."""
    patience: Annotated[int, Field(ge=0)]
    """Epochs without improvement before the learning rate is reduced."""


class EarlyStoppingConfig(_Section):
    """Early stopping of a phase, by validation loss."""

    patience: Annotated[int, Field(ge=1)]
    """Epochs without improvement after which the phase ends."""
    min_delta: NotNegative = 0.001
    """Minimum decrease of the loss that counts as an improvement."""


class PhaseConfig(_Section):
    """Training of one phase."""

    epochs: Annotated[int, Field(ge=0)]
    """Maximum number of epochs; 0 skips the phase."""
    optimizer: OptimizerName
    """Optimizer from torch.optim; sgd uses momentum 0.9."""
    lr: Positive
    """Initial learning rate."""
    weight_decay: NotNegative
    """Weight decay of all parameters trained in this phase."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.0
    """Fraction of each training label spread evenly over all classes (`label_smoothing` of torch's
    cross entropy); 0 = off. The displayed training loss includes it, the validation loss never."""
    scheduler: SchedulerConfig
    """Learning rate schedule."""
    warmup_epochs: NotNegative = 0.0
    """Epochs, or a fraction of one, in which the learning rate rises linearly from nearly 0 to
    `lr`; a live change of the learning rate ends the warmup."""
    early_stopping: EarlyStoppingConfig
    """When the phase ends early."""


class HeadConfig(PhaseConfig):
    """Phase `head`: with a frozen backbone, each view of an image passes through it only once."""

    views: Annotated[int, Field(ge=0, le=10_000)] = 1
    """Views of each image whose backbone features are computed once and cached: the first with the
    validation transform, the others augmented; 0 = a new augmented view every epoch."""


class FullConfig(PhaseConfig):
    """Phase `full`: all weights are trained."""

    mixup: NotNegative = 0.0
    """Alpha of timm's mixup: each training image is blended with another one of its batch, and so
    are their labels; 0 = off. Training top-1 is computed against the original labels."""
    cutmix: NotNegative = 0.0
    """Alpha of timm's CutMix: a rectangle of another image of the batch is pasted in; 0 = off. With
    `mixup` too, each batch gets one of them at random."""
    ema: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] | None = None
    """Decay of an exponential moving average of the weights, such as 0.999 (timm's ModelEmaV3,
    which starts with a smaller one); null = none. Validation, best checkpoints and the end of the
    phase use the averaged weights."""
    layer_decay: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    """Factor on the learning rate from each layer to the one before it, so that the first layers
    change least (timm's param_groups_layer_decay, which also excludes biases and norms from weight
    decay); 1 = off."""


class PhasesConfig(_Section):
    """The two phases, in order."""

    head: HeadConfig = HeadConfig(
        epochs=15,
        optimizer="adamw",
        lr=1e-3,
        weight_decay=1e-4,
        scheduler=SchedulerConfig(patience=2),
        early_stopping=EarlyStoppingConfig(patience=4),
    )
    """Frozen backbone: only the classifier head is trained."""
    full: FullConfig = FullConfig(
        epochs=10,
        optimizer="adamw",
        lr=1e-4,
        weight_decay=1e-4,
        scheduler=SchedulerConfig(patience=1),
        early_stopping=EarlyStoppingConfig(patience=3),
    )
    """All weights are trained, starting from the best weights of phase `head`."""

    def get(self, phase: str) -> PhaseConfig:
        """Return the configuration of phase `head` or `full`."""
        return {HEAD: self.head, FULL: self.full}[phase]

    def left(self, current: str | None = None) -> list[str]:
        """Return the phases that remain to be trained, in order, starting with `current` (the phase
        of a resumed run)."""
        planned = [phase for phase in PHASES if self.get(phase).epochs > 0]
        if current is None:
            return planned
        later = PHASES[PHASES.index(current) + 1 :]
        return [current, *(phase for phase in later if phase in planned)]


class Config(_Section):
    """Configuration of a run."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)] = "run"
    """Display name of the run; if left at `run`, the name of the data folder is used."""
    study: Annotated[str, StringConstraints(min_length=1)] | None = None
    """Id of the study that the run belongs to; null = none. The study sets it."""
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 1029
    """Seed of the split, the image order, augmentation and the new classifier head."""
    device: Device = "auto"
    """Training device; auto tries CUDA, then Apple's MPS, then the CPU."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Autocast type; auto = bf16 on CUDA devices that support it, on CPUs where it measures clearly
    faster in a phase, fp32 elsewhere."""
    memory_format: Literal["auto", "channels_last", "contiguous"] = "auto"
    """Memory layout of weights and images; auto = whichever measures faster in a phase."""
    deterministic: bool = False
    """Use only deterministic algorithms and do not choose number format or memory layout by
    measurement; slower."""
    compile: bool = False
    """Compile the model of phase full with torch.compile: the first steps take minutes, later steps
    are faster on most GPUs."""
    clip_grad_norm: Positive | None = 1.0
    """Maximum norm of the gradient; null = no clipping."""
    nonfinite: Literal["skip", "rollback", "stop"] = "skip"
    """How a non-finite loss is handled (it never updates the weights): skip = continue, and fail
    after nonfinite_limit steps in a row; rollback = restore the phase's best weights with a lower
    learning rate instead, and fail the fourth time; stop = fail immediately."""
    nonfinite_limit: Annotated[int, Field(ge=1)] = 10
    """Maximum number of consecutive steps with a non-finite loss."""
    data: DataConfig = DataConfig()
    """Image folder, splits and data loading."""
    model: ModelConfig = ModelConfig()
    """Model and initial weights."""
    checkpoint: CheckpointConfig = CheckpointConfig()
    """Checkpoints."""
    cache: CacheConfig = CacheConfig()
    """Cache shared between runs."""
    phases: PhasesConfig = PhasesConfig()
    """The two phases."""
