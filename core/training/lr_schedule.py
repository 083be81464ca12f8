"""The learning rate of a phase: a function of how far the phase has come, and of a base."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from core.config.schema import PhaseConfig


def lr_factor(step: int, begin: float, end: int, warms_up: bool, is_cosine: bool) -> float:
    """Return what the base is multiplied by for the step `step` (from 0) of a phase of `end`
    steps, whose warm-up ends, or whose base was set, at `begin`.

    The warm-up is linear (Goyal et al., 2017); the cosine falls from 1 at `begin` to 0 at `end`
    (SGDR, Loshchilov and Hutter, 2017).
    """
    if warms_up and step < begin:
        return (step + 1) / (begin + 1)
    if not is_cosine or end <= begin:
        return 1.0
    # The last step's rate stays when nothing comes after it: 0 would be none.
    gone = (min(step, end - 1) - begin) / (end - begin)
    return (1 + math.cos(math.pi * max(0.0, gone))) / 2


class LrSchedule:
    """Sets an optimizer's learning rate: that of each group is the phase's times the group's
    `lr_scale`, if it has one.

    Neither torch's schedulers nor timm's are used for warm-up and cosine: these go on from what
    they set last or from a base of their own, and a rate that is changed by hand has no place in
    either. The plateau is torch's; it judges the base.
    """

    def __init__(self, config: PhaseConfig, optimizer: Optimizer, steps: int) -> None:
        """`steps` are those of an epoch."""
        self.steps = steps
        self._optimizer = optimizer
        self._warmup = config.warmup_epochs * steps
        self._end = config.epochs * steps
        self.plateau = None if config.scheduler.kind == "cosine" else _plateau(config, optimizer)
        self.base = config.lr
        """The learning rate but for warm-up and cosine."""
        self.since: int | None = None
        """The step of the phase from which a base holds that was set by hand."""
        self.go_to(0)

    @property
    def lr(self) -> float:
        """The learning rate that the next step uses, in groups whose scale is 1."""
        group = max(self._optimizer.param_groups, key=_scale)
        return float(group["lr"]) / _scale(group)

    @property
    def bad_epochs(self) -> int:
        """Epochs without improvement, as the plateau counts them."""
        return self.plateau.num_bad_epochs if self.plateau else 0

    def go_to(self, step: int) -> None:
        """Set the learning rate for a step of the phase, from 0."""
        begin = self._warmup if self.since is None else self.since
        warms_up, is_cosine = self.since is None, self.plateau is None
        self._put(self.base * lr_factor(step, begin, self._end, warms_up, is_cosine))

    def judge(self, loss: float, step: int) -> None:
        """Take in an epoch's validation loss; `step` of the phase comes next."""
        if self.plateau is not None:
            self._put(self.base)
            self.plateau.step(loss)
            self.base = self.lr
            self.go_to(step)

    def set(self, lr: float, step: int) -> None:
        """Let the learning rate be `lr` in a step of the phase, and go on from it: a warm-up is
        over then, a cosine falls from there."""
        self.base, self.since = lr, step
        self.go_to(step)

    def lower(self, factor: float, step: int) -> None:
        """Multiply all that is to come, from a step of the phase on."""
        self.base *= factor
        self.go_to(step)

    def state_dict(self) -> dict[str, Any]:
        """Return what decides how it goes on; the groups' rates are with the optimizer."""
        plateau = self.plateau.state_dict() if self.plateau else None
        return {"base": self.base, "since": self.since, "plateau": plateau}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Take it over; the optimizer has its state already."""
        if "base" not in saved:  # as checkpoints had it when there was only a plateau
            saved = {"base": self.lr, "since": None, "plateau": saved}
        self.base, self.since = float(saved["base"]), saved["since"]
        if self.plateau is not None:
            self.plateau.load_state_dict(saved["plateau"])

    def _put(self, lr: float) -> None:
        for group in self._optimizer.param_groups:
            # A tensor stays the tensor that a capturable optimizer holds on to.
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(lr * _scale(group))
            else:
                group["lr"] = lr * _scale(group)


def _scale(group: Mapping[str, Any]) -> float:
    return float(group.get("lr_scale", 1.0))


def _plateau(config: PhaseConfig, optimizer: Optimizer) -> ReduceLROnPlateau:
    factor, patience = config.scheduler.factor, config.scheduler.patience
    return ReduceLROnPlateau(optimizer, mode="min", factor=factor, patience=patience)
