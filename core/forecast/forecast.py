"""Forecast images per split, memory and training time of a configuration."""

from collections.abc import Callable
from dataclasses import dataclass, field

from core.config.optimizers import OPTIMIZERS
from core.config.schema import Config
from core.data.assign import split_counts
from core.data.balance import class_warnings, classes_have
from core.data.image_folder import count_images
from core.data.source import Location
from core.forecast.model_info import ModelInfo
from core.forecast.throughput_history import ThroughputHistory

_TRANSIENT = 1.2
"""Ratio of a training step's peak memory to the activations saved for the backward pass: 1.13 to
1.17 measured with ConvNeXt atto and tiny."""
_CHECKPOINTED = 0.17
"""Ratio of the activations kept with model.grad_checkpointing to all: 0.09 to 0.17 counted with
ConvNeXt atto, tiny, base and V2 tiny."""
_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class DataSummary:
    """Number of images per class and split, by file name."""

    train: dict[str, int]
    """Training images per class."""
    val: dict[str, int]
    """Validation images per class."""
    by_folders: bool
    """Whether the folders `train` and `val` define the split."""
    problems: list[str] = field(default_factory=list)
    """Problems to fix before training, one line each."""
    test: dict[str, int] = field(default_factory=dict)
    """Test images per class, which training doesn't use."""

    @property
    def counts(self) -> dict[str, int]:
        """Images per class, of all splits."""
        return {
            name: count + self.val.get(name, 0) + self.test.get(name, 0)
            for name, count in self.train.items()
        }

    @property
    def images(self) -> int:
        """Number of images."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Duration:
    """Maximum duration of each phase in seconds; 0 for a skipped phase."""

    head: float
    full: float


def summarize_data(
    root: Location,
    val_fraction: float,
    cancelled: Callable[[], bool] = lambda: False,
    test_fraction: float = 0.0,
    folds: int = 0,
) -> DataSummary | None:
    """Count the images of a folder and of its splits, without opening them.

    Raises DataError for a folder that training would refuse; returns None once `cancelled` is
    true.
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
        (unsplit,) = counts.values()
        for name, count in unsplit.items():
            train[name], val[name], test[name] = split_counts(
                count, val_fraction, test_fraction, folds
            )
    summary = DataSummary(train, val, by_folders, test=test)
    summary.problems.extend(_problems(summary))
    return summary


def _problems(data: DataSummary) -> list[str]:
    counts = data.counts
    problems = []
    single = [name for name, count in counts.items() if count < 2]
    if single and not data.by_folders:
        problems.append(f"{classes_have(single)} only one image; a split needs at least 2")
    return [*problems, *class_warnings(counts, data.train)]


def step_bytes(config: Config, info: ModelInfo, classes: int) -> float | None:
    """Return the approximate peak memory of a training step of phase `full` in bytes, in fp32; None
    if the phase is skipped or the batch size is chosen automatically."""
    size = config.data.micro_batch_size or config.data.batch_size
    phase = config.phases.full
    if phase.epochs == 0 or size == "auto":
        return None
    # Weights, gradients, optimizer state, EMA.
    copies = 2 + OPTIMIZERS[phase.optimizer].state_values + (phase.ema is not None)
    static = info.parameters_for(classes) * _FLOAT_BYTES * copies
    kept = _CHECKPOINTED if config.model.grad_checkpointing else 1.0
    return static + _TRANSIENT * kept * info.activation_bytes * size


def duration(config: Config, data: DataSummary, throughput: ThroughputHistory) -> Duration:
    """Return the maximum duration of the phases at the throughput of an earlier run."""
    return duration_for(config, data.images, throughput)


def duration_for(config: Config, images: int, throughput: ThroughputHistory) -> Duration:
    """Return the maximum duration of the phases for a number of images."""
    head, full = config.phases.head.epochs, config.phases.full.epochs
    first = throughput.head_first if head else 0.0
    per_image = first + max(0, head - 1) * throughput.head_next
    return Duration(per_image * images, full * throughput.full * images)
