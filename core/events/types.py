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

from core.common import codec
from core.common.codec import DecodeError
from core.events.evaluation_parts import CalibrationBin, Confusion, Mistake

Counts = dict[str, int]

EVENT_TYPES: dict[str, type["Event"]] = {}
"""Every event type by the name that stands in the journal; filled by deriving from `Event`."""


class Event:
    """Base class of events."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        # A dataclass with slots is created twice; the second class replaces the first.
        EVENT_TYPES[cls.__name__] = cls


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """The engine has begun; `config` is the resolved configuration."""

    run_id: str
    name: str
    config: dict[str, Any]
    version: str = ""
    pid: int = 0
    host: str = ""
    ranks: int = 1
    """Processes that train it together."""
    job: str = ""
    """What all starts of an elastic job have in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed(Event):
    """Another process goes on from a checkpoint; what came after that moment is undone.

    Epochs before `epoch` of `phase` stand; `step` training steps of `epoch` are done.
    """

    run_id: str = ""
    phase: str
    epoch: int
    step: int
    global_step: int
    checkpoint: str
    changes: dict[str, Any] = field(default_factory=dict)
    """Keys that were set anew, with their values."""
    version: str = ""
    pid: int = 0
    host: str = ""
    ranks: int = 1
    job: str = ""
    """As in RunStarted."""
    restart: bool = False
    """Whether the elastic agent has started the ranks of the job anew, as one was gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparing(Event):
    """What keeps the run from starting its first step; `done` of `total` where it is countable."""

    stage: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DataReady(Event):
    """The pictures are read, checked and split; class names in the order of the labels."""

    root: str
    classes: list[str]
    train: int
    val: int
    train_per_class: Counts = field(default_factory=dict)
    val_per_class: Counts = field(default_factory=dict)
    damaged: int = 0
    test: int = 0
    """Pictures that training never sees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen(Event):
    """What the configuration left to this program, how it was settled and by which figures."""

    what: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReady(Event):
    """The model stands on its device; `weights` says where its numbers come from."""

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
    """A phase begins with these values; `epochs` is the most it can take."""

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
    """`plateau`, to which factor and patience belong, or `cosine`."""
    warmup_epochs: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Event):
    """Where the run is now; loss and top1 are running means over this epoch's pass so far."""

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
    """Since the epoch began."""
    recent_loss: float = math.nan
    """Mean over the steps since the last Progress."""
    peak_loss: float = -math.inf
    """Highest loss of a single step since the last Progress: where a spike is seen. NaN when one
    of them was not finite."""
    images_per_second: float = math.nan
    step_seconds: float = math.nan
    data_wait: float = math.nan
    """Share of the time since the last Progress that was spent waiting for data, 0 to 1."""
    grad_norm: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochEnded(Event):
    """One training pass and one validation pass are done, and the verdicts on them."""

    phase: str
    epoch: int
    global_step: int
    train_loss: float
    train_top1: float
    val_loss: float
    val_top1: float
    val_top5: float
    lr: float
    """The learning rate at the epoch's end, before the scheduler's verdict."""
    next_lr: float
    seconds: float
    best: bool
    """Whether this is the best epoch of the run so far: highest val_top1, then lowest val_loss."""
    phase_best: bool
    """The same within its phase."""
    patience: int
    min_delta: float
    bad_epochs: int
    monitor_best: float
    """The lowest val_loss that counted as an improvement, for early stopping."""
    scheduler_bad_epochs: int = 0
    images_per_second: float = math.nan
    data_wait: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated(Event):
    """What the validation pass of the epoch that has just ended tells of each class.

    Labels are places in `DataReady.classes`. Pictures that could not be read count nowhere.
    """

    phase: str
    epoch: int
    support: list[int]
    """Validation pictures of each class."""
    predicted: list[int]
    """How often each class was predicted."""
    correct: list[int]
    """How often that was right."""
    confusions: list[Confusion]
    """Off the diagonal, the most frequent first; rare ones are left out where there are many."""
    confusions_left_out: int
    """Pictures in those that were left out."""
    calibration: list[CalibrationBin]
    """By confidence, in bins of equal width from 0 to 1."""
    mistakes: list[Mistake]
    """The most confident ones, most confident first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplesSaved(Event):
    """The first pictures of a phase, as the network sees them, are on the disk in one picture.

    They stand in rows of `columns`, each `side` pixels wide and high.
    """

    phase: str
    epoch: int
    path: str
    """Relative to the run's folder."""
    side: int
    columns: int
    files: list[str]
    """Relative to the data root, in the order of the pictures."""
    labels: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSaved(Event):
    """A checkpoint is on the disk; `path` is relative to the run's folder."""

    path: str
    kind: str
    """`last`, `best`, `phase-best` or `manual`."""
    bytes: int
    seconds: float
    global_step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandApplied(Event):
    """A command took effect between two steps; `note` says in words what it changed."""

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
    """A command made no sense; nothing has changed."""

    id: str
    command: str
    arguments: dict[str, Any] = field(default_factory=dict)
    asked: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused(Event):
    """Training rests between two steps."""

    global_step: int
    reason: str = ""
    """Why it rests without having been asked to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Event):
    """Training goes on after a pause of `seconds`."""

    global_step: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSample(Event):
    """A look at the training device and the host; what cannot be known is None."""

    device: str
    name: str = ""
    rank: int = 0
    """The process that trains on it, where there are several."""
    host: str = ""
    """The machine, where there may be several."""
    allocated: int | None = None
    """Memory held by this run's tensors."""
    reserved: int | None = None
    """Memory that PyTorch's allocator holds, `allocated` included."""
    peak: int | None = None
    """Highest `allocated` so far."""
    total: int | None = None
    others: int | None = None
    """Memory of other processes on the same device."""
    utilization: float | None = None
    """Busy share of the device, 0 to 1."""
    temperature: float | None = None
    """Degrees Celsius."""
    host_cpu: float | None = None
    """Busy share of all cores of the host, 0 to 1."""
    host_used: int | None = None
    host_total: int | None = None
    process_rss: int | None = None
    """Resident memory of this process and its loader workers."""
    waits: float | None = None
    """Share of the time since the last look that this rank waited for the others, 0 to 1: the one
    that waits least is the slowest."""
    note: str = ""
    """Why device figures are missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned(Event):
    """Something a person should know; the run goes on. `files` are relative to the data root."""

    code: str
    message: str
    files: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    """What is wrong with each file, where that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseEnded(Event):
    """A phase is over; `reason` is `epochs`, `early stopping` or `asked`."""

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


@dataclass(frozen=True, slots=True)
class Record:
    """An event with its place in the journal: `seq` counts from 1 without gaps."""

    seq: int
    time: float
    event: Event

    def to_json(self) -> str:
        """Return the journal's line for this record, without the line break."""
        return codec.encode(self.event, {"seq": self.seq, "time": self.time})

    @staticmethod
    def from_json(line: str | bytes) -> "Record":
        """Read one line of a journal; raises DecodeError with the reason."""
        event, payload = codec.decode(line, EVENT_TYPES)
        seq, time = payload.get("seq"), payload.get("time")
        if not isinstance(seq, int) or isinstance(seq, bool) or seq < 1:
            raise DecodeError(f"seq is {seq!r}; expected a whole number from 1")
        # The limit keeps out infinity and whole numbers that no float can hold.
        if not isinstance(time, int | float) or isinstance(time, bool) or not abs(time) < 1e300:
            raise DecodeError(f"time is {str(time)[:80]!r}; expected Unix seconds")
        return Record(seq, float(time), event)
