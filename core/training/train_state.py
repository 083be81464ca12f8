"""Everything that decides a run's future: what isn't in here may not influence training."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from core.config.schema import PhaseConfig
from core.model.build import copy_weights
from core.model.ema import ModelEma
from core.run.early_stopping import EarlyStopping
from core.training.lr_schedule import LrSchedule
from core.training.metrics import RunningMetrics

MAX_ROLLBACKS = 3
"""How often a phase goes back before it fails: lower learning rates haven't helped then."""

_PLAIN = (
    *("phase", "epoch", "step", "global_step", "validation_pending", "end"),
    *(
        "nonfinite_steps",
        "rollbacks",
        "part_size",
        "fingerprint",
        "epoch_seconds",
        "phase_seconds",
        "run_seconds",
    ),
)


@dataclass(frozen=True, slots=True)
class Best:
    """The epoch whose weights are the best so far."""

    phase: str
    epoch: int
    val_top1: float
    val_top5: float
    val_loss: float

    def beats(self, other: "Best | None") -> bool:
        """Whether this one is better: higher val_top1, then lower val_loss; NaN never wins."""
        if self.val_top1 != self.val_top1:
            return False
        if other is None or self.val_top1 > other.val_top1:
            return True
        return self.val_top1 == other.val_top1 and self.val_loss < other.val_loss


@dataclass
class TrainState:
    """Position, weights, optimizer, schedule, stopper and best so far.

    Live edits are inside: a changed patience in `stopping`, a changed learning rate in
    `schedule`.
    """

    phase: str
    epoch: int
    """From 1; the epoch that runs."""
    step: int
    """Training steps done in it."""
    global_step: int
    """Training steps done in the run."""
    validation_pending: bool
    """Whether the training pass is done and the validation pass is not."""
    model: nn.Module
    parameters: list[nn.Parameter]
    """What trains in this phase."""
    optimizer: Optimizer
    schedule: LrSchedule
    stopping: EarlyStopping
    metrics: RunningMetrics
    """Sums over the training pass so far."""
    part_size: int
    """Pictures that go through the model at once; smaller than a batch where memory is short."""
    best: Best | None
    fingerprint: str
    """Of the data: content, classes and split."""
    averaged: ModelEma | None = None
    """The moving average of the weights, where one is kept."""
    nonfinite_steps: int = 0
    """Steps in a row whose loss or gradient was not finite."""
    rollbacks: int = 0
    """How often the phase went back to earlier weights."""
    phase_best: Best | None = None
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    """A true copy of the weights at `phase_best`, averaged if they are, on the CPU."""
    frozen: Mapping[str, Tensor] = field(default_factory=dict)
    """Copies, on the CPU, of the tensors that don't train in this phase."""
    start_weights: dict[str, Tensor] = field(default_factory=dict)
    """The same at the phase's beginning, while there is no best and a rollback may need them."""
    end: str | None = None
    """Why the phase is over, by the verdict on its last epoch."""
    epoch_seconds: float = 0.0
    """Time in this epoch before the process began; the three times decide nothing."""
    phase_seconds: float = 0.0
    run_seconds: float = 0.0

    @property
    def phase_step(self) -> int:
        """The place of the next step in the phase, from 0."""
        return (self.epoch - 1) * self.schedule.steps + self.step

    @property
    def lr(self) -> float:
        """The learning rate that the next step uses."""
        return self.schedule.lr

    def set_lr(self, lr: float) -> None:
        """Change the learning rate from the next step on; the schedule goes on from it."""
        self.schedule.set(lr, self.phase_step)

    def advance(self) -> None:
        """Go on to the next step."""
        self.step += 1
        self.global_step += 1
        self.schedule.go_to(self.phase_step)

    def copy_weights(self) -> dict[str, Tensor]:
        """Return a true copy of all weights, on the CPU."""
        return copy_weights(self.model, self.frozen)

    def set_best(self, best: Best) -> None:
        """Take what was just validated as the phase's best so far."""
        self.phase_best, self.start_weights = best, {}
        self.best_weights = self.averaged.copy_weights() if self.averaged else self.copy_weights()

    def load_best(self) -> None:
        """Give the model the phase's best weights; before the first verdict, the average."""
        weights = self.best_weights
        if self.averaged and not weights:
            weights = self.averaged.copy_weights()
        if weights:
            self.model.load_state_dict(weights)

    def roll_back(self, factor: float) -> str:
        """Go back to the phase's best weights, or its first, with a new optimizer state and the
        learning rate times `factor`; returns which weights, in words."""
        self.model.load_state_dict(self.best_weights or self.start_weights)
        if self.averaged:
            self.averaged.reset()
        self.optimizer.state.clear()
        self.schedule.lower(factor, self.phase_step)
        self.nonfinite_steps = 0
        self.rollbacks += 1
        best = self.phase_best
        return f"the weights of epoch {best.epoch}" if best else "the weights it began with"

    def snapshot(self) -> dict[str, Any]:
        """Return true copies of all of it, on the CPU, as plain types and tensors."""
        return {
            "model": self.copy_weights(),
            "train_state": {
                **{name: getattr(self, name) for name in _PLAIN},
                "optimizer": _copied(self.optimizer.state_dict()),
                "scheduler": _copied(self.schedule.state_dict()),
                "averaged": self.averaged.copy_weights() if self.averaged else None,
                "stopping": asdict(self.stopping),
                "metrics": self.metrics.sums,
                "phase_best": asdict(self.phase_best) if self.phase_best else None,
                "best": asdict(self.best) if self.best else None,
                "best_weights": self.best_weights,
                "start_weights": self.start_weights,
            },
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what `snapshot` gave under `train_state`; the weights are loaded already."""
        for name in _PLAIN:
            setattr(self, name, saved[name])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.schedule.load_state_dict(saved["scheduler"])
        if self.averaged:
            self.averaged.load(saved["averaged"])
        self.stopping = EarlyStopping(**saved["stopping"])
        self.metrics.sums = saved["metrics"]
        self.phase_best = Best(**saved["phase_best"]) if saved["phase_best"] else None
        self.best = Best(**saved["best"]) if saved["best"] else None
        self.best_weights = dict(saved["best_weights"])
        self.start_weights = dict(saved["start_weights"] or self.start_weights)

    def change(self, config: PhaseConfig, keys: Iterable[str]) -> None:
        """Let keys that were set anew on resume win over what the checkpoint brought."""
        asked = {key.removeprefix(f"phases.{self.phase}.") for key in keys}
        if "early_stopping.patience" in asked:
            self.stopping = replace(self.stopping, patience=config.early_stopping.patience)
        if "early_stopping.min_delta" in asked:
            self.stopping = replace(self.stopping, min_delta=config.early_stopping.min_delta)
        if "lr" in asked:
            self.set_lr(config.lr)
        plateau = self.schedule.plateau
        if plateau is not None and "scheduler.factor" in asked:
            plateau.factor = config.scheduler.factor
        if plateau is not None and "scheduler.patience" in asked:
            plateau.patience = config.scheduler.patience
        # The place in the phase, or the phase's length, may be another one by now.
        self.schedule.go_to(self.phase_step)


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copied(item) for item in value)
    return value
