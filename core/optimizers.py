"""The optimizer of a phase, from torch.optim."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn, optim

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


def step_if_finite(optimizer: optim.Optimizer, figures: Tensor) -> None:
    """Take a step if all `figures` (N,) are finite, else leave everything as it is."""
    # Reading numbers waits for a GPU; on a CPU it is the cheapest way.
    if figures.is_cuda and optimizer.defaults.get("fused"):
        step_judged_on_device(optimizer, figures)
    elif all(map(math.isfinite, figures.tolist())):
        optimizer.step()


def step_judged_on_device(optimizer: optim.Optimizer, figures: Tensor) -> None:
    """Do the same with a fused optimizer and without waiting: it looks at `found_inf` on the
    device, as it does for torch.amp.GradScaler."""
    optimizer.found_inf = (~torch.isfinite(figures).all()).float()  # type: ignore[attr-defined]
    optimizer.step()
