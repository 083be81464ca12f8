"""Events of a run: frozen dataclasses, each one JSON line of the journal.

Accuracies are fractions (0 to 1), sizes are bytes, durations are seconds without pauses, times are
Unix seconds. `step` counts within an epoch from 1, `global_step` over the whole run.

To add an event, derive a frozen dataclass from `Event`; that registers it by its name. Its sentence
is registered with `core.events.describe.sentence`, its effect on the run state with
`core.run.state.folds`.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from core.events.evaluation_parts import CalibrationBin, Confusion, Mistake

Counts = dict[str, int]

EVENT_TYPES: dict[str, type["Event"]] = {}
"""Every event type by its name in the journal; filled by deriving from `Event`."""


class Event:
    """Base class of events."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        # A dataclass with slots is created twice; the second class replaces the first.
        EVENT_TYPES[cls.__name__] = cls


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A run started; `config` is the resolved configuration."""

    run_id: str
    name: str
    config: dict[str, Any]
    version: str = ""
    pid: int = 0
    host: str = ""
    ranks: int = 1
    """Number of processes that train the run."""
    job: str = ""
    """Id shared by all starts of an elastic job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed(Event):
    """Another process resumed the run from a checkpoint; everything after the checkpoint is undone.

    Epochs before `epoch` of `phase` remain; `step` training steps of `epoch` are done.
    """

    run_id: str = ""
    phase: str
    epoch: int
    step: int
    global_step: int
    checkpoint: str
    changes: dict[str, Any] = field(default_factory=dict)
    """Changed config keys with their values."""
    version: str = ""
    pid: int = 0
    host: str = ""
    ranks: int = 1
    job: str = ""
    """As in RunStarted."""
    restart: bool = False
    """Whether the elastic agent restarted all ranks because one exited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparing(Event):
    """Preparation before the first step; `done` of `total` where countable."""

    stage: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DataReady(Event):
    """The images are scanned and split; class names in the order of the labels."""

    root: str
    classes: list[str]
    train: int
    val: int
    train_per_class: Counts = field(default_factory=dict)
    val_per_class: Counts = field(default_factory=dict)
    damaged: int = 0
    test: int = 0
    """Images in the test split."""
    groups: int = 0
    ungrouped: int = 0
    """Groups by `data.group`, and images in none of them."""
    left_out: Counts = field(default_factory=dict)
    """Numbers of files that are left out by reason, without the damaged ones."""
    value_ranges: dict[str, list[float]] | None = None
    """Value range of each kind of deep image; None in older runs, which use the data type's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen(Event):
    """The value chosen for an `auto` key, and the measurements behind it."""

    what: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReady(Event):
    """The model is on its device; `weights` names the source of the weights."""

    name: str
    parameters: int
    weights: str
    device: str
    device_name: str = ""
    precision: str = "fp32"
    memory_format: str = "contiguous"
    image_size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseStarted(Event):
    """A phase started with these values; `epochs` is its maximum."""

    phase: str
    epochs: int
    steps: int
    val_steps: int
    global_step: int
    trainable_parameters: int
    optimizer: str
    lr: float
    weight_decay: float
    patience: int
    min_delta: float
    scheduler_factor: float
    scheduler_patience: int
    scheduler: str = "plateau"
    """`plateau`, which uses factor and patience, or `cosine`."""
    warmup_epochs: float = 0.0
    monitor: str = "val_loss"
    """Metric of early stopping and plateau."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Event):
    """Progress within an epoch; loss and top1 are running means over the pass so far."""

    phase: str
    epoch: int
    stage: str
    """`train` or `val`."""
    step: int
    steps: int
    global_step: int
    loss: float
    top1: float
    lr: float
    seconds: float
    """Since the start of the epoch."""
    recent_loss: float = math.nan
    """Mean over the steps since the last Progress."""
    peak_loss: float = -math.inf
    """Highest loss of a single step since the last Progress, to show spikes. NaN if one of them was
    non-finite."""
    images_per_second: float = math.nan
    step_seconds: float = math.nan
    data_wait: float = math.nan
    """Fraction of the time since the last Progress spent waiting for data, 0 to 1."""
    grad_norm: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochEnded(Event):
    """One training pass and one validation pass are done, with the decisions based on them."""

    phase: str
    epoch: int
    global_step: int
    train_loss: float
    train_top1: float
    val_loss: float
    val_top1: float
    val_top5: float
    lr: float
    """Learning rate at the end of the epoch, before the scheduler step."""
    next_lr: float
    seconds: float
    best: bool
    """Whether this is the best epoch of the run so far, by the phase's metric, then val_loss."""
    phase_best: bool
    """Whether this is the best epoch of its phase."""
    patience: int
    min_delta: float
    bad_epochs: int
    monitor_best: float
    """Best value of `monitor` that counted as an improvement, for early stopping."""
    scheduler_bad_epochs: int = 0
    images_per_second: float = math.nan
    data_wait: float = math.nan
    macro_f1: float = math.nan
    """Mean F1 of the classes that have validation images."""
    balanced_accuracy: float = math.nan
    """Mean recall of the classes that have validation images."""
    monitor: str = "val_loss"
    """Metric of early stopping and plateau."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated(Event):
    """Per-class results of the validation pass of the epoch that just ended.

    Labels are indices into `DataReady.classes`. Unreadable images are not counted.
    """

    phase: str
    epoch: int
    support: list[int]
    """Validation images per class."""
    predicted: list[int]
    """Number of predictions per class."""
    correct: list[int]
    """Number of correct predictions per class."""
    confusions: list[Confusion]
    """Off-diagonal entries, most frequent first; rare ones are omitted if there are many."""
    confusions_left_out: int
    """Images in omitted entries."""
    calibration: list[CalibrationBin]
    """By confidence, in bins of equal width from 0 to 1."""
    mistakes: list[Mistake]
    """Misclassified images, most confident first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplesSaved(Event):
    """The first images of a phase, as the model sees them, were saved as one image sheet.

    They are in rows of `columns`, each `side` pixels wide and high.
    """

    phase: str
    epoch: int
    path: str
    """Relative to the run folder."""
    side: int
    columns: int
    files: list[str]
    """Relative to the data root, in the order of the sheet."""
    labels: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSaved(Event):
    """A checkpoint was saved; `path` is relative to the run folder."""

    path: str
    kind: str
    """`last`, `best`, `phase-best` or `manual`."""
    bytes: int
    seconds: float
    global_step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandApplied(Event):
    """A command was applied between two steps; `note` says what it changed."""

    id: str
    command: str
    arguments: dict[str, Any] = field(default_factory=dict)
    asked: float
    phase: str = ""
    epoch: int = 0
    step: int = 0
    global_step: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRefused(Event):
    """A command was refused; nothing changed."""

    id: str
    command: str
    arguments: dict[str, Any] = field(default_factory=dict)
    asked: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused(Event):
    """Training paused between two steps."""

    global_step: int
    reason: str = ""
    """Why it paused without a command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Event):
    """Training resumed after a pause of `seconds`."""

    global_step: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSample(Event):
    """A sample of the training device and the host; unknown values are None."""

    device: str
    name: str = ""
    rank: int = 0
    """The rank that trains on the device."""
    host: str = ""
    """Host name, with several ranks."""
    allocated: int | None = None
    """Memory of this process's tensors."""
    reserved: int | None = None
    """Memory reserved by PyTorch's allocator, including `allocated`."""
    peak: int | None = None
    """Peak of `allocated` so far."""
    total: int | None = None
    others: int | None = None
    """Memory of other processes on the device."""
    utilization: float | None = None
    """Utilization of the device, 0 to 1."""
    temperature: float | None = None
    """Temperature in degrees Celsius."""
    power: float | None = None
    """Power draw in watts."""
    power_limit: float | None = None
    """Power draw above which the device slows down, in watts."""
    host_cpu: float | None = None
    """Utilization of all cores of the host, 0 to 1."""
    host_used: int | None = None
    host_total: int | None = None
    process_rss: int | None = None
    """Resident memory of this process and its loader workers."""
    waits: float | None = None
    """Fraction of the time since the last sample that this rank waited for others, 0 to 1: the rank
    that waits least is the slowest."""
    note: str = ""
    """Why device values are missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned(Event):
    """A warning; the run continues. `files` are relative to the data root."""

    code: str
    message: str
    files: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    """The problem of each file, where known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseEnded(Event):
    """A phase ended; `reason` is `epochs`, `early stopping` or `asked`."""

    phase: str
    reason: str
    epochs: int
    seconds: float
    best_epoch: int = 0
    best_val_top1: float = math.nan
    best_val_loss: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Event):
    """The last event of a run; `outcome` is `finished`, `stopped` or `failed`."""

    outcome: str
    reason: str
    best_val_top1: float = math.nan
    best_phase: str = ""
    best_epoch: int = 0
    seconds: float = 0.0
