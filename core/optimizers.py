"""Optimizers and the plateau scheduler of a phase, from torch.optim."""

from collections.abc import Iterable

from torch import nn, optim
from torch.optim.lr_scheduler import ReduceLROnPlateau

from core.config import PhaseConfig


def build_optimizer(config: PhaseConfig, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    """Return the phase's optimizer over everything that trains in it."""
    lr, decay = config.lr, config.weight_decay
    if config.optimizer == "adam":
        return optim.Adam(parameters, lr=lr, weight_decay=decay)
    if config.optimizer == "adamw":
        return optim.AdamW(parameters, lr=lr, weight_decay=decay)
    return optim.SGD(parameters, lr=lr, momentum=0.9, weight_decay=decay)


def build_scheduler(config: PhaseConfig, optimizer: optim.Optimizer) -> ReduceLROnPlateau:
    """Return the scheduler that is stepped with each epoch's validation loss."""
    return ReduceLROnPlateau(
        optimizer,
        mode="min",
        factor=config.scheduler.factor,
        patience=config.scheduler.patience,
    )
