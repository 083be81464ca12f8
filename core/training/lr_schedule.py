"""Learning rate schedule of a phase: warm-up, then plateau or cosine."""

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from core.config.phases_section import PhaseConfig
from core.run.monitors import MONITORS, stopping_monitor


def lr_factor(step: int, begin: float, end: int, has_warmup: bool, is_cosine: bool) -> float:
    """Return the factor of the base learning rate for `step` (from 0) of a phase of `end` steps.

    `begin` is the step where the warm-up ends, or where the base was set. The warm-up is linear
    (Goyal et al., 2017); the cosine falls from 1 at `begin` to 0 at `end` (SGDR, Loshchilov and
    Hutter, 2017).
    """
    if has_warmup and step < begin:
        return (step + 1) / (begin + 1)
    if not is_cosine or end <= begin:
        return 1.0
    # After the end, keep the rate of the last step: 0 would stop the training.
    progress = (min(step, end - 1) - begin) / (end - begin)
    return (1 + math.cos(math.pi * max(0.0, progress))) / 2


class LrSchedule:
    """Sets the learning rate of an optimizer: the rate of a parameter group is that of the phase
    times the group's `lr_scale`, if it has one.

    Warm-up and cosine are neither torch's schedulers nor timm's. Those continue from the rate that
    they set last or from their own base, and therefore don't support a rate that the user changes.
    The plateau is torch's ReduceLROnPlateau, applied to the base.
    """

    def __init__(self, config: PhaseConfig, optimizer: Optimizer, steps: int) -> None:
        """`steps` is the number of training steps per epoch."""
        self.steps = steps
        self._optimizer = optimizer
        self._warmup = config.warmup * steps
        self._end = config.epochs * steps
        self.plateau = None if config.scheduler.kind == "cosine" else _plateau(config, optimizer)
        self.base = config.lr
        """The learning rate without warm-up and cosine."""
        self.base_set_at: int | None = None
        """Step of the phase in which the user set the base; None if it is the configured one."""
        self.set_step(0)

    @property
    def lr(self) -> float:
        """The learning rate of the next step, in groups with scale 1."""
        group = max(self._optimizer.param_groups, key=_scale)
        return float(group["lr"]) / _scale(group)

    @property
    def bad_epochs(self) -> int:
        """Epochs without improvement, as counted by the plateau."""
        return self.plateau.num_bad_epochs if self.plateau else 0

    def set_step(self, step: int) -> None:
        """Set the learning rate for a step of the phase, from 0."""
        begin = self._warmup if self.base_set_at is None else self.base_set_at
        has_warmup, is_cosine = self.base_set_at is None, self.plateau is None
        self._set_groups(self.base * lr_factor(step, begin, self._end, has_warmup, is_cosine))

    def end_epoch(self, monitored: float, step: int) -> None:
        """Apply the plateau to an epoch's value of the monitored metric; `step` is the next one of
        the phase."""
        if self.plateau is not None:
            self._set_groups(self.base)
            self.plateau.step(monitored)
            self.base = self.lr
            self.set_step(step)

    def set_lr(self, lr: float, step: int) -> None:
        """Set the learning rate from a step of the phase on: this ends a warm-up, and a cosine
        falls from `lr`."""
        self.base, self.base_set_at = lr, step
        self.set_step(step)

    def scale(self, factor: float, step: int) -> None:
        """Multiply all learning rates from a step of the phase on."""
        self.base *= factor
        self.set_step(step)

    def state_dict(self) -> dict[str, Any]:
        """Return the state; the rates of the groups are in the optimizer's."""
        plateau = self.plateau.state_dict() if self.plateau else None
        return {"base": self.base, "since": self.base_set_at, "plateau": plateau}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Load a state, after the optimizer's."""
        if "base" not in saved:  # checkpoints of early versions have only the plateau
            saved = {"base": self.lr, "since": None, "plateau": saved}
        self.base, self.base_set_at = float(saved["base"]), saved["since"]
        if self.plateau is not None:
            self.plateau.load_state_dict(saved["plateau"])

    def _set_groups(self, lr: float) -> None:
        for group in self._optimizer.param_groups:
            # A capturable optimizer keeps a reference to the tensor: update it in place.
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(lr * _scale(group))
            else:
                group["lr"] = lr * _scale(group)


def _scale(group: Mapping[str, Any]) -> float:
    return float(group.get("lr_scale", 1.0))


def _plateau(config: PhaseConfig, optimizer: Optimizer) -> ReduceLROnPlateau:
    factor, patience = config.scheduler.factor, config.scheduler.patience
    metric = MONITORS[stopping_monitor(config.monitor)]
    mode: Literal["min", "max"] = "min" if metric.is_loss else "max"
    return ReduceLROnPlateau(optimizer, mode=mode, factor=factor, patience=patience)
