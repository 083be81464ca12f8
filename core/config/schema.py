"""Configuration schema: typed, frozen, validated at the start; the documentation of every key.

A configuration is built in three layers: the defaults below, a preset or YAML file, and `KEY=VALUE`
overrides. The defaults are those of the preset `default`. The result is frozen: a live change while
a run trains is a logged command on top of it.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from core.config.data_section import DataConfig
from core.config.devices import Device, Precision
from core.config.fields import MAX_SEED, NotNegative, Positive, Section
from core.config.phases_section import PhasesConfig


class ModelConfig(Section):
    """Model and initial weights."""

    name: Annotated[str, StringConstraints(min_length=1)] = "convnext_tiny.in12k_ft_in1k"
    """A timm model name; any `convnext*` or `convnextv2*`, others where timm supports them."""
    pretrained: bool = True
    """Download timm's pretrained weights on first use (stored in the Hugging Face cache)."""
    weights: str | None = None
    """A local `.safetensors`, `.pth` or `.pt` file; takes precedence over `pretrained`."""
    drop_path: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.0
    """Stochastic depth (timm's `drop_path_rate`): probability that phase full skips the last block
    for an image; it rises linearly from 0 in the first block. The frozen backbone skips none."""
    dropout: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.0
    """Dropout (timm's `drop_rate`) in phase full, in a ConvNeXt before the classifier."""
    grad_checkpointing: bool = False
    """Recompute activations in the backward pass instead of keeping them: phase full needs much
    less memory, and about a third more time."""


class CheckpointConfig(Section):
    """Checkpoints besides those at every epoch's end and every stop."""

    every_minutes: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 5.0
    """Minutes of training between checkpoints within an epoch; fractions are allowed."""
    keep_manual: Annotated[int, Field(ge=1)] | None = None
    """Number of newest manual checkpoints to keep when another one is saved; null = keep all."""


class CacheConfig(Section):
    """Cache shared between runs, in the user's cache folder."""

    max_gb: NotNegative = 20.0
    """Maximum size of decoded images and backbone features, in GB (10^9 bytes); 0 = keep features
    in memory and cache neither images nor scan results."""


class Config(Section):
    """Configuration of a run."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)] = "run"
    """Display name of the run; if left at `run`, the name of the data folder is used."""
    study: Annotated[str, StringConstraints(min_length=1)] | None = None
    """Id of the study that the run belongs to; null = none. The study sets it."""
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 1029
    """Seed of the split, the image order, augmentation and the new classifier head."""
    device: Device = "auto"
    """Training device; auto tries CUDA, then Apple's MPS, then the CPU."""
    precision: Precision = "auto"
    """Autocast type; auto = bf16 on CUDA devices that support it, fp16 on older ones, bf16 on CPUs
    where it measures clearly faster in a phase, fp32 elsewhere. With fp16 the loss is scaled by
    `torch.amp.GradScaler`; a step whose gradient overflows is left out and the scale is halved."""
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
