"""Optimizers and the plateau scheduler of a phase, from torch.optim."""

from collections.abc import Iterable

from torch import Tensor, nn, optim
from torch.optim.lr_scheduler import ReduceLROnPlateau

from core.config import PhaseConfig

_FUSED_ON = ("cpu", "cuda")


def build_optimizer(config: PhaseConfig, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    """Return the phase's optimizer over everything that trains in it, fused where torch can."""
    parameters = list(parameters)
    lr, decay = config.lr, config.weight_decay
    fused = all(parameter.device.type in _FUSED_ON for parameter in parameters)
    if config.optimizer == "adam":
        return optim.Adam(parameters, lr=lr, weight_decay=decay, fused=fused)
    if config.optimizer == "adamw":
        return optim.AdamW(parameters, lr=lr, weight_decay=decay, fused=fused)
    return optim.SGD(parameters, lr=lr, momentum=0.9, weight_decay=decay, fused=fused)


def step_where(optimizer: optim.Optimizer, finite: Tensor) -> None:
    """Take a step where `finite` () is true, else leave everything as it is.

    Fused optimizers look at `found_inf` on the device, as they do for torch.amp.GradScaler, so
    that nobody waits for the answer.
    """
    if optimizer.defaults.get("fused"):
        optimizer.found_inf = (~finite).float()  # type: ignore[attr-defined]
        optimizer.step()
    elif finite.item():
        optimizer.step()


def build_scheduler(config: PhaseConfig, optimizer: optim.Optimizer) -> ReduceLROnPlateau:
    """Return the scheduler that is stepped with each epoch's validation loss."""
    return ReduceLROnPlateau(
        optimizer,
        mode="min",
        factor=config.scheduler.factor,
        patience=config.scheduler.patience,
    )
