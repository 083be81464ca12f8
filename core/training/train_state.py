"""Train state: all that determines the rest of a run. Nothing else may influence training."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from core.config.phases_section import PhaseConfig
from core.model.build import copy_weights
from core.model.ema import ModelEma
from core.run.early_stopping import EarlyStopping
from core.run.monitors import MONITORS
from core.training.loss_scaler import LossScaler
from core.training.lr_schedule import LrSchedule
from core.training.metrics import RunningMetrics
from core.training.optimizers import step_if_finite

MAX_ROLLBACKS = 3
"""Rollbacks of a phase before it fails: by then lower learning rates haven't helped."""

_SAVED_FIELDS = (
    *("phase", "epoch", "step", "global_step", "validation_pending", "end"),
    *("nonfinite_steps", "rollbacks", "micro_batch_size", "fingerprint"),
    *("epoch_seconds", "phase_seconds", "run_seconds"),
)
_CHECKPOINT_KEYS = {name: name for name in _SAVED_FIELDS} | {"micro_batch_size": "part_size"}


@dataclass(frozen=True, slots=True)
class Best:
    """The epoch with the best weights so far."""

    phase: str
    epoch: int
    val_top1: float
    val_top5: float
    val_loss: float
    macro_f1: float = math.nan
    balanced_accuracy: float = math.nan
    """NaN in checkpoints of early versions."""
    temperature: float = 1.0
    """Division of the logits that calibrates the confidence, fitted on the validation images."""

    def value(self, monitor: str) -> float:
        """Return the value of a metric, a key of MONITORS."""
        return float(getattr(self, monitor))

    def beats(self, other: "Best | None", monitor: str = "val_top1") -> bool:
        """Return whether this epoch is better: by the metric, then by lower val_loss; an epoch
        whose loss, accuracy or metric is not finite never is."""
        own = self.value(monitor)
        if not all(map(math.isfinite, (own, self.val_top1, self.val_loss))):
            return False
        if other is None or not math.isfinite(other.value(monitor)):
            return True
        sign = -1 if MONITORS[monitor].is_loss else 1
        return (sign * own, -self.val_loss) > (sign * other.value(monitor), -other.val_loss)


@dataclass
class TrainState:
    """Position, weights, optimizer, learning rate schedule, early stopping and best so far.

    Live changes are included: a changed patience in `stopping`, a changed learning rate in
    `schedule`.
    """

    phase: str
    epoch: int
    """The current epoch, from 1."""
    step: int
    """Finished training steps of the epoch."""
    global_step: int
    """Finished training steps of the run."""
    validation_pending: bool
    """Whether the training pass of the epoch is finished and its validation pass is not."""
    model: nn.Module
    parameters: list[nn.Parameter]
    """The trainable parameters of the phase."""
    optimizer: Optimizer
    schedule: LrSchedule
    stopping: EarlyStopping
    best_monitor: str
    """Metric of the best epoch, a key of MONITORS."""
    metrics: RunningMetrics
    """Sums over the training pass so far."""
    micro_batch_size: int
    """Images per forward pass; smaller than a batch where memory is short."""
    best: Best | None
    fingerprint: str
    """Hash of the data: content, classes and split."""
    ema: ModelEma | None = None
    """Moving average of the weights, if enabled."""
    scaler: LossScaler | None = None
    """Loss scaling of fp16."""
    nonfinite_steps: int = 0
    """Consecutive steps with a non-finite loss or gradient."""
    rollbacks: int = 0
    """Rollbacks of the phase to earlier weights."""
    phase_best: Best | None = None
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    """Copy of the weights at `phase_best`, of the moving average if enabled, on the CPU."""
    frozen: Mapping[str, Tensor] = field(default_factory=dict)
    """Copies of the tensors that aren't trained in this phase, on the CPU."""
    start_weights: dict[str, Tensor] = field(default_factory=dict)
    """Copy of the weights at the start of the phase, while a rollback may need them."""
    end: str | None = None
    """Why the phase has ended, as decided after its last epoch."""
    epoch_seconds: float = 0.0
    """Seconds of this epoch so far; the three times don't influence training."""
    phase_seconds: float = 0.0
    run_seconds: float = 0.0

    @property
    def phase_step(self) -> int:
        """Number of the next step in the phase, from 0."""
        return (self.epoch - 1) * self.schedule.steps + self.step

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return self.schedule.lr

    def set_lr(self, lr: float) -> None:
        """Change the learning rate from the next step on; the schedule continues from it."""
        self.schedule.set_lr(lr, self.phase_step)

    def clip_gradient(self, max_norm: float | None) -> Tensor:
        """Unscale the gradient, clip its norm, and return the norm () before clipping, on the
        device; None only returns it."""
        if self.scaler:
            self.scaler.unscale(self.optimizer)
        return nn.utils.clip_grad_norm_(self.parameters, max_norm or math.inf)

    def step_values(self, loss: Tensor, norm: Tensor) -> Tensor:
        """Return loss and gradient norm (2,) of a step; the norm is OVERFLOW if the scaled gradient
        overflowed."""
        return torch.stack([loss, self.scaler.marked_norm(loss, norm) if self.scaler else norm])

    def take_step(self, values: Tensor) -> None:
        """Take the optimizer step if loss and gradient norm, `values` (2,), are finite."""
        if self.scaler:
            self.scaler.step(self.optimizer)
        else:
            step_if_finite(self.optimizer, values)

    def advance(self) -> None:
        """Advance to the next step."""
        self.step += 1
        self.global_step += 1
        self.schedule.set_step(self.phase_step)

    def copy_weights(self) -> dict[str, Tensor]:
        """Return a copy of all weights, on the CPU."""
        return copy_weights(self.model, self.frozen)

    def set_best(self, best: Best) -> None:
        """Keep the weights that were just validated as the phase's best."""
        self.phase_best, self.start_weights = best, {}
        self.best_weights = self.ema.copy_weights() if self.ema else self.copy_weights()

    def load_best(self) -> None:
        """Load the phase's best weights into the model; before the first validation, the moving
        average."""
        weights = self.best_weights
        if self.ema and not weights:
            weights = self.ema.copy_weights()
        if weights:
            self.model.load_state_dict(weights)

    def roll_back(self, factor: float) -> str:
        """Return to the phase's best or initial weights, with a new optimizer state and the
        learning rate times `factor`; returns a description of the weights."""
        self.model.load_state_dict(self.best_weights or self.start_weights)
        if self.ema:
            self.ema.reset()
        self.optimizer.state.clear()
        self.schedule.scale(factor, self.phase_step)
        self.nonfinite_steps = 0
        self.rollbacks += 1
        best = self.phase_best
        return f"the weights of epoch {best.epoch}" if best else "the initial weights of the phase"

    def snapshot(self) -> dict[str, Any]:
        """Return copies of the weights and of all state, on the CPU, as plain types and tensors."""
        return {
            "model": self.copy_weights(),
            "train_state": {
                **{key: getattr(self, name) for name, key in _CHECKPOINT_KEYS.items()},
                "optimizer": _copied(self.optimizer.state_dict()),
                "scheduler": _copied(self.schedule.state_dict()),
                "scaler": self.scaler.state_dict() if self.scaler else None,
                "averaged": self.ema.copy_weights() if self.ema else None,
                "stopping": asdict(self.stopping),
                "metrics": self.metrics.sums,
                "phase_best": asdict(self.phase_best) if self.phase_best else None,
                "best": asdict(self.best) if self.best else None,
                "best_weights": self.best_weights,
                "start_weights": self.start_weights,
            },
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Load the `train_state` of a `snapshot`, after the weights of the model."""
        for name, key in _CHECKPOINT_KEYS.items():
            setattr(self, name, saved[key])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.schedule.load_state_dict(saved["scheduler"])
        if self.ema:
            self.ema.load(saved["averaged"])
        if self.scaler and saved.get("scaler"):  # absent if the run began in another precision
            self.scaler.load_state_dict(saved["scaler"])
        self.stopping = EarlyStopping(**saved["stopping"])
        self.metrics.sums = saved["metrics"]
        self.phase_best = Best(**saved["phase_best"]) if saved["phase_best"] else None
        self.best = Best(**saved["best"]) if saved["best"] else None
        self.best_weights = dict(saved["best_weights"])
        self.start_weights = dict(saved["start_weights"] or self.start_weights)

    @property
    def position(self) -> str:
        """Where training is, as text."""
        return f"{self.phase} epoch {self.epoch}, step {self.step}"

    def apply_changes(self, config: PhaseConfig, keys: Iterable[str]) -> None:
        """Apply config keys that were changed on resume; they override the checkpoint."""
        changed = {key.removeprefix(f"phases.{self.phase}.") for key in keys}
        patience = config.patience_on_resume(self.stopping.patience, changed)
        self.stopping = replace(self.stopping, patience=patience)
        if "early_stopping.min_delta" in changed:
            self.stopping = replace(self.stopping, min_delta=config.early_stopping.min_delta)
        if "lr" in changed:
            self.set_lr(config.lr)
        plateau = self.schedule.plateau
        if plateau is not None and "scheduler.factor" in changed:
            plateau.factor = config.scheduler.factor
        if plateau is not None and "scheduler.patience" in changed:
            plateau.patience = config.scheduler.patience
        # The position in the phase, or its number of epochs, may have changed.
        self.schedule.set_step(self.phase_step)


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copied(item) for item in value)
    return value
