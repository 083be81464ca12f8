"""What a configuration would come to, said before anything is trained: pictures, memory, time."""

from collections.abc import Callable
from dataclasses import dataclass, field

from core.config.optimizers import OPTIMIZERS
from core.config.schema import Config
from core.data.balance import class_warnings, classes_have
from core.data.image_folder import count_images
from core.data.source import Location
from core.data.split import split_counts
from core.forecast.model_info import ModelInfo
from core.forecast.throughput_history import ThroughputHistory

_TRANSIENT = 1.2
"""Peak memory of a training step over what it keeps for the backward pass: 1.13 to 1.17 measured
with ConvNeXt atto and tiny."""
_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class DataSummary:
    """The pictures of a folder by their names, each class on its sides of the split."""

    train: dict[str, int]
    """Pictures of each class."""
    val: dict[str, int]
    by_folders: bool
    """Whether folders decide about the sides."""
    problems: list[str] = field(default_factory=list)
    """What a person should know before training, a line each."""
    test: dict[str, int] = field(default_factory=dict)
    """What is kept out of training."""

    @property
    def counts(self) -> dict[str, int]:
        """Pictures of each class, both sides."""
        return {
            name: count + self.val.get(name, 0) + self.test.get(name, 0)
            for name, count in self.train.items()
        }

    @property
    def pictures(self) -> int:
        """All of them."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Duration:
    """Seconds that each phase takes at most; 0 for one that is left out."""

    head: float
    full: float


def summarize_data(
    root: Location,
    val_fraction: float,
    cancelled: Callable[[], bool] = lambda: False,
    test_fraction: float = 0.0,
) -> DataSummary | None:
    """Count a folder's pictures, without opening one, and say how they would be split.

    Raises DataError, as training would; returns None when `cancelled` turned true.
    """
    counts = count_images(root, cancelled)
    if counts is None:
        return None
    by_folders = "val" in counts
    train: dict[str, int] = {}
    val: dict[str, int] = {}
    test: dict[str, int] = {}
    if by_folders:
        train, val = counts["train"], counts["val"]
    else:
        (whole,) = counts.values()
        for name, count in whole.items():
            train[name], val[name], test[name] = split_counts(count, val_fraction, test_fraction)
    outlook = DataSummary(train, val, by_folders, test=test)
    outlook.problems.extend(_problems(outlook))
    return outlook


def _problems(data: DataSummary) -> list[str]:
    counts = data.counts
    problems = []
    alone = [name for name, count in counts.items() if count < 2]
    if alone and not data.by_folders:
        problems.append(f"{classes_have(alone)} one picture only; being split takes 2")
    return [*problems, *class_warnings(counts, data.train)]


def step_bytes(config: Config, facts: ModelInfo, classes: int) -> float | None:
    """Return about how many bytes a training step of phase `full` takes at most, in fp32; None
    where the phase is left out or the batch is made to fit by itself."""
    size = config.data.micro_batch_size or config.data.batch_size
    phase = config.phases.full
    if phase.epochs == 0 or size == "auto":
        return None
    # The weights, their gradients, the optimizer's, their average.
    copies = 2 + OPTIMIZERS[phase.optimizer].state_values + (phase.ema is not None)
    held = facts.parameters_for(classes) * _FLOAT_BYTES * copies
    return held + _TRANSIENT * facts.activation_bytes * size


def duration(config: Config, data: DataSummary, pace: ThroughputHistory) -> Duration:
    """Return the time that the phases take at most, if it goes as fast as it did then."""
    head, full = config.phases.head.epochs, config.phases.full.epochs
    first = pace.head_first if head else 0.0
    per_picture = first + max(0, head - 1) * pace.head_next
    return Duration(per_picture * data.pictures, full * pace.full * data.pictures)
