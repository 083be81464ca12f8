"""What to train: typed, frozen, validated at the start. Every key is documented where it stands.

A configuration is built in three layers: the defaults below, a preset or a YAML file, and
`KEY=VALUE` overrides. The result is frozen; what a person changes while a run trains is a logged
command on top of it.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from core.common.color import is_color
from core.config.phases import PHASES

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(str(error)) from None
    return text


def _colour(text: str) -> str:
    if not is_color(text):
        raise ValueError("no colour")
    return text


def _in_words(words: str) -> object:
    """What the error for another value says is allowed."""
    return Field(json_schema_extra={"words": words})


Pattern = Annotated[str, AfterValidator(_pattern), _in_words("a regular expression")]
Colour = Annotated[str, AfterValidator(_colour), _in_words("a colour by name or as #rrggbb")]


class _Section(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )


class AugmentConfig(_Section):
    """How training pictures are varied, by timm's `create_transform`."""

    min_scale: Annotated[float, Field(gt=0, le=1)] = 0.08
    """Smallest share of the picture's area that a random crop keeps."""
    hflip: Probability = 0.5
    """Probability of mirroring left to right."""
    vflip: Probability = 0.0
    """Probability of mirroring upside down."""
    color_jitter: NotNegative = 0.4
    """Strength of random brightness, contrast and saturation; 0 = off."""
    auto_augment: str | None = None
    """A timm policy such as `rand-m9-mstd0.5`; null = none. It replaces the colour jitter."""
    erase: Probability = 0.0
    """Probability of erasing a random rectangle."""


class DataConfig(_Section):
    """Where the pictures are and how they are fed."""

    root: str | None = None
    """Folder with one sub folder a class, or with `train/` and `val/`; or a URL that fsspec opens,
    such as `s3://bucket/photos` or `zip://::photos.zip`, without a password. Needed to train."""
    val_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of each class that is held out for validation; unused with `train/` and `val/`."""
    test_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of each class that training never sees, for `convnext-tui evaluate`; 0 = none."""
    group: Pattern | None = None
    """Regular expression: pictures in whose paths it finds the same stay on one side of the split,
    such as `(patient\\d+)_`; null = only pictures that show the same do."""
    split: str | None = None
    """A run's `split.csv`: its pictures keep their sides, others train; null = split by seed."""
    background: Colour = "white"
    """What transparent pictures are laid on."""
    image_size: Annotated[int, Field(ge=16, le=2048)] = 224
    """Side of the square that the model sees, in pixels."""
    batch_size: Annotated[int, Field(ge=1, le=65536)] | Literal["auto"] = 64
    """Pictures a training step; auto = as many as the GPU's memory holds, 64 without one."""
    micro_batch_size: Annotated[int, Field(ge=1, le=65536)] | None = None
    """Pictures that go through the model at once, their gradients accumulated to a step's; null =
    all of a step, halved by itself where the memory is too small."""
    workers: Annotated[int, Field(ge=0, le=256)] | Literal["auto"] = "auto"
    """Processes that read pictures; 0 = in the engine's own thread, auto = as many as keep up with
    the network, by measuring both at the start."""
    balance: Literal["none", "loss", "sampler"] = "none"
    """For classes of unequal size. loss = the training loss weighs classes by their effective
    number of pictures (Cui et al., 2019, beta 0.999), 1 on average; sampler = an epoch draws as
    many pictures as there are, with replacement, each class as often as any other. Both gain where
    all classes count alike, and cost top-1 where validation is as uneven as training. In phase head
    the first `phases.head.views` epochs visit every picture once all the same: they compute its
    features."""
    decode_once: bool = True
    """Reduce each picture once to what the crops need, and keep it in the cache; false = decode
    the whole file every time, as a plain ImageFolder does."""
    augment: AugmentConfig = AugmentConfig()
    """Variation of the training pictures."""

    @property
    def step_pictures(self) -> int:
        """`batch_size` once it is a number; what `auto` comes to is settled as a run begins."""
        assert self.batch_size != "auto", "the batch size has not been settled yet"
        return self.batch_size


class ModelConfig(_Section):
    """Which network, and where its weights come from."""

    name: Annotated[str, StringConstraints(min_length=1)] = "convnext_tiny.in12k_ft_in1k"
    """A timm model name; any `convnext*` or `convnextv2*`, others where timm can make them."""
    pretrained: bool = True
    """Download timm's weights on first use (kept in the Hugging Face cache)."""
    weights: str | None = None
    """A local `.safetensors`, `.pth` or `.pt` file; goes before `pretrained`."""


class CheckpointConfig(_Section):
    """When the run is written to the disk, besides every epoch's end and every stop."""

    every_minutes: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 5.0
    """Minutes of training between checkpoints within an epoch; fractions are allowed."""
    keep_manual: Annotated[int, Field(ge=1)] | None = None
    """Newest manual checkpoints that stay when another one is saved; null = all of them."""


class CacheConfig(_Section):
    """What is kept between runs, in the user's cache folder."""

    max_gb: NotNegative = 20.0
    """Room for decoded pictures and features of frozen backbones, in GB (10^9 bytes); 0 = keep
    features in memory, and pictures and what was found of them not at all."""


class SchedulerConfig(_Section):
    """How the learning rate goes on from the phase's start."""

    kind: Literal["plateau", "cosine"] = "plateau"
    """plateau = `torch.optim.lr_scheduler.ReduceLROnPlateau` on the validation loss; cosine = down
    to 0 over all `epochs`, step by step, whatever the loss. With more epochs on resume the cosine
    is stretched over all of them: the rate goes up to where the longer one stands."""
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """What the learning rate is multiplied by on a plateau, and by nonfinite: rollback."""
    patience: Annotated[int, Field(ge=0)] = 3
    """Epochs without improvement that are tolerated before that."""


class EarlyStoppingConfig(_Section):
    """When a phase ends before its last epoch, by the validation loss."""

    patience: Annotated[int, Field(ge=1)] = 7
    """Epochs without improvement after which the phase ends."""
    min_delta: NotNegative = 0.001
    """By how much the loss must fall to count as an improvement."""


class PhaseConfig(_Section):
    """One phase of the training."""

    epochs: Annotated[int, Field(ge=0)]
    """Most epochs the phase may take; 0 leaves the phase out."""
    optimizer: Literal["adam", "adamw", "sgd"]
    """Optimizer from torch.optim; sgd has momentum 0.9."""
    lr: Positive
    """Learning rate at the phase's start."""
    weight_decay: NotNegative
    """Weight decay on everything that trains in this phase."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.0
    """Share of each training label that is spread evenly over all classes (as `label_smoothing`
    of torch's cross entropy); 0 = off. The training loss that is shown has it in it, the
    validation loss never."""
    scheduler: SchedulerConfig
    """Learning rate from epoch to epoch."""
    warmup_epochs: NotNegative = 0.0
    """Epochs, or a fraction of one, in which the learning rate rises in a line from nearly 0 to
    `lr`; a rate that is set while the run trains ends them."""
    early_stopping: EarlyStoppingConfig
    """When the phase ends early."""


class HeadConfig(PhaseConfig):
    """Phase `head`, whose frozen backbone need see each view of a picture only once."""

    views: Annotated[int, Field(ge=0, le=10_000)] = 1
    """Views of each picture that are put through the backbone, its features kept from then on:
    the first as validation sees it, the others augmented; 0 = a new one every epoch."""


class FullConfig(PhaseConfig):
    """Phase `full`, in which everything trains."""

    mixup: NotNegative = 0.0
    """Alpha of mixup, by timm: each training picture is laid over another one of its batch, and
    so are their labels; 0 = off. The training top-1 is told against the pictures' own labels."""
    cutmix: NotNegative = 0.0
    """Alpha of CutMix, by timm: a rectangle of another picture of the batch is put in; 0 = off.
    With `mixup` too, each batch gets one of them by chance."""
    ema: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] | None = None
    """Decay of a moving average of the weights, such as 0.999 (timm's ModelEmaV3, which begins with
    a smaller one); null = none. Validation, best and the phase's end have the averaged weights."""
    layer_decay: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    """What the learning rate is multiplied by from each layer to the one before it, so that the
    first ones change least (timm's param_groups_layer_decay, which also leaves biases and norms
    without weight decay); 1 = off."""


class PhasesConfig(_Section):
    """The two phases, in their order."""

    head: HeadConfig = HeadConfig(
        epochs=30,
        optimizer="adam",
        lr=1e-3,
        weight_decay=0.0,
        scheduler=SchedulerConfig(factor=0.5, patience=3),
        early_stopping=EarlyStoppingConfig(patience=7, min_delta=0.001),
    )
    """Frozen backbone: only the classifier trains."""
    full: FullConfig = FullConfig(
        epochs=10,
        optimizer="adamw",
        lr=1e-4,
        weight_decay=1e-4,
        scheduler=SchedulerConfig(factor=0.5, patience=2),
        early_stopping=EarlyStoppingConfig(patience=5, min_delta=0.001),
    )
    """Everything trains, from the best weights of phase `head`."""

    def get(self, phase: str) -> PhaseConfig:
        """Return the configuration of phase `head` or `full`."""
        return {"head": self.head, "full": self.full}[phase]

    def left(self, begun: str | None = None) -> list[str]:
        """Return the phases that are to be trained, in their order; `begun` is the one that a run
        stands in already."""
        planned = [phase for phase in PHASES if self.get(phase).epochs > 0]
        if begun is None:
            return planned
        later = PHASES[PHASES.index(begun) + 1 :]
        return [begun, *(phase for phase in later if phase in planned)]


class Config(_Section):
    """A whole run."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)] = "run"
    """What the run is called in lists; left at `run`, it takes the name of the data folder."""
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 1029
    """Decides the split, the order of the pictures, their augmentation and the new classifier."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train; auto takes CUDA, then Apple's MPS, then the CPU."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Autocast type; auto = bf16 on CUDA devices that have it, on CPUs where it measures clearly
    faster in a phase, fp32 elsewhere."""
    memory_format: Literal["auto", "channels_last", "contiguous"] = "auto"
    """Layout of the weights and pictures; auto = what measures faster on the device in a phase."""
    deterministic: bool = False
    """Only algorithms that give the same bits every time, and no choice of number format or layout
    by measuring; slower."""
    compile: bool = False
    """Compile the network of phase full with torch.compile: its first steps take minutes, the
    others are faster on most GPUs."""
    clip_grad_norm: Positive | None = 1.0
    """Largest norm of the whole gradient; null = no clipping."""
    nonfinite: Literal["skip", "rollback", "stop"] = "skip"
    """After a loss that is not finite (its step is never taken): skip = go on, and fail after
    nonfinite_limit in a row; rollback = go back to the phase's best weights at a lower learning
    rate then, and fail the fourth time; stop = fail at once."""
    nonfinite_limit: Annotated[int, Field(ge=1)] = 10
    """Steps in a row with a loss that is not finite that are skipped at most."""
    data: DataConfig = DataConfig()
    """The pictures."""
    model: ModelConfig = ModelConfig()
    """The network."""
    checkpoint: CheckpointConfig = CheckpointConfig()
    """Going on after a stop."""
    cache: CacheConfig = CacheConfig()
    """What is kept between runs."""
    phases: PhasesConfig = PhasesConfig()
    """The training."""
