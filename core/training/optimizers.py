"""The optimizer of a phase, from torch.optim."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from timm.optim import param_groups_layer_decay
from torch import Tensor, nn, optim

from core.config.schema import FullConfig, PhaseConfig

_FUSED_ON = ("cpu", "cuda")


def build_optimizer(
    config: PhaseConfig, parameters: Iterable[nn.Parameter], model: nn.Module | None = None
) -> optim.Optimizer:
    """Return the phase's optimizer over everything that trains in it, fused where torch can; with
    `layer_decay` in groups, by the layers of the `model` whose parameters these are."""
    parameters = list(parameters)
    lr, decay = config.lr, config.weight_decay
    fused = all(parameter.device.type in _FUSED_ON for parameter in parameters)
    groups: list[dict[str, Any]] = [{"params": parameters}]
    if model is not None and isinstance(config, FullConfig) and config.layer_decay < 1:
        groups = _by_layers(config, model)
    if config.optimizer == "adam":
        return optim.Adam(groups, lr=lr, weight_decay=decay, fused=fused)
    if config.optimizer == "adamw":
        return optim.AdamW(groups, lr=lr, weight_decay=decay, fused=fused)
    return optim.SGD(groups, lr=lr, momentum=0.9, weight_decay=decay, fused=fused)


def _by_layers(config: FullConfig, model: nn.Module) -> list[dict[str, Any]]:
    """Return a group a layer, each with its `lr_scale`, 1 for the classifier (Clark et al., 2020;
    timm follows BEiT)."""
    groups: list[dict[str, Any]] = param_groups_layer_decay(
        model,
        weight_decay=config.weight_decay,
        layer_decay=config.layer_decay,
        # As timm's own create_optimizer_v2 asks the model.
        no_weight_decay_list=model.no_weight_decay() if hasattr(model, "no_weight_decay") else (),  # type: ignore[operator]
    )
    return [{**group, "lr": config.lr * group["lr_scale"]} for group in groups]


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
