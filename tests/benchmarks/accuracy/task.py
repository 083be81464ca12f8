"""The task of all contenders, and the measurement of what each reached and what it cost."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import psutil

from core.config.phases import FULL


@dataclass(frozen=True, slots=True)
class Task:
    """What is equal for all contenders; paths are text for JSON."""

    data: str
    """A folder with train/ and val/."""
    weights: str | None
    """A file for the model; None = random weights."""
    model: str
    epochs: int
    """Epochs in which all layers are trained."""
    seed: int
    image_size: int
    batch_size: int
    threads: int | None = None
    """Threads of torch; None = torch's own number."""
    workers: int = 2
    """Loader processes of each peer."""

    def to_json(self) -> str:
        """Return it as a command line argument."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read it back."""
        return cls(**json.loads(text))

    @property
    def whole_batch(self) -> int:
        """Return a batch size that the training images fill: timm and fastai drop the rest."""
        return min(self.batch_size, self._images("train"))

    def _images(self, split: str) -> int:
        return len(list(Path(self.data, split).glob("*/*")))

    def environment(self) -> dict[str, str]:
        """Return variables of a contender's process: a thread that waits for the others sleeps, as
        its CPU time would otherwise depend on the load of the machine."""
        threads = {} if self.threads is None else {"OMP_NUM_THREADS": str(self.threads)}
        return {"OMP_WAIT_POLICY": "PASSIVE", **threads}

    def check_images(self, train: int, val: int) -> None:
        """Raise ValueError unless a contender has found all images."""
        expected = [self._images(split) for split in ("train", "val")]
        if [train, val] != expected:
            raise ValueError(f"expected {expected} images for train and val, not {[train, val]}")


@dataclass
class PhaseOutcome:
    """Result and cost of a phase of training."""

    val_top1: list[float] = field(default_factory=list)
    """One per epoch, 0 to 1."""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    """Of the process and its descendants, to the end of the last epoch."""


Outcome = dict[str, PhaseOutcome]
"""By phase, in order: `head` where only the classifier is trained, and `full`."""


def outcome_from_tree(tree: dict[str, dict[str, object]]) -> Outcome:
    """Rebuild an outcome from JSON."""
    return {phase: PhaseOutcome(**values) for phase, values in tree.items()}  # type: ignore[arg-type]


class Meter:
    """Records accuracy, wall-clock time and CPU time of each phase of a process."""

    def __init__(self, pid: int | None = None) -> None:
        """Measure the process with this id; None = this one."""
        self.outcome: Outcome = {}
        self._process = psutil.Process(pid)
        self._began = (0.0, 0.0)

    def phase_started(self, phase: str, at: float | None = None) -> None:
        """Start to measure a phase; `at` is in Unix seconds, None = now."""
        self.outcome[phase] = PhaseOutcome()
        self._began = time.time() if at is None else at, cpu_seconds(self._process)

    def epoch_ended(self, val_top1: float, at: float | None = None) -> None:
        """Add an epoch of the current phase."""
        phase = next(reversed(self.outcome.values()))
        phase.val_top1.append(val_top1)
        phase.seconds = (time.time() if at is None else at) - self._began[0]
        phase.cpu_seconds = cpu_seconds(self._process) - self._began[1]


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time that a process and its descendants, ended ones too, have used so far."""
    total = 0.0
    for one in _with_descendants(process):
        with suppress(psutil.NoSuchProcess):
            used = one.cpu_times()
            total += used.user + used.system + used.children_user + used.children_system
    return total


def _with_descendants(process: psutil.Process) -> Iterator[psutil.Process]:
    yield process
    with suppress(psutil.NoSuchProcess):
        yield from process.children(recursive=True)


def epochs_within(budget: float, outcome: Outcome) -> int:
    """Return how many epochs of phase full, at least 1, come closest to a budget of CPU seconds.

    Other phases are not shortened; their CPU time is taken from the budget. It is rounded, as with
    equal costs a budget that was measured a little lower would otherwise be an epoch too short.
    """
    full = outcome[FULL]
    per_epoch = full.cpu_seconds / len(full.val_top1)
    others = sum(part.cpu_seconds for phase, part in outcome.items() if phase != FULL)
    return max(1, round((budget - others) / per_epoch)) if per_epoch > 0 else 1
