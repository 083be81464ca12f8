"""Build a phase's optimizer, and take only steps whose loss and gradient are finite."""

import math
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

import torch
from timm.optim import param_groups_layer_decay
from torch import Tensor, nn, optim

from core.config.optimizers import OPTIMIZERS
from core.config.phases_section import FullConfig, PhaseConfig

_FUSED_ON = ("cpu", "cuda")


def build_optimizer(
    config: PhaseConfig, parameters: Iterable[nn.Parameter], model: nn.Module | None = None
) -> optim.Optimizer:
    """Return the phase's optimizer over its trainable parameters, fused where torch supports it.

    With `layer_decay` the parameters are grouped by the layers of `model`, which owns them.
    """
    parameters = list(parameters)
    groups: list[dict[str, Any]] = [{"params": parameters}]
    if model is not None and isinstance(config, FullConfig) and config.layer_decay < 1:
        groups = _layer_decay_groups(config, model)
    entry = OPTIMIZERS[config.optimizer]
    options = dict(entry.options)
    if entry.has_fused:
        options["fused"] = all(parameter.device.type in _FUSED_ON for parameter in parameters)
    module, _, name = entry.factory.partition(":")
    factory: Callable[..., optim.Optimizer] = getattr(import_module(module), name)
    return factory(groups, lr=config.lr, weight_decay=config.weight_decay, **options)


def _layer_decay_groups(config: FullConfig, model: nn.Module) -> list[dict[str, Any]]:
    """Return one parameter group per layer, each with its `lr_scale`, 1 for the classifier head.

    Layer-wise learning rate decay: Clark et al., 2020; timm's version follows BEiT.
    """
    groups: list[dict[str, Any]] = param_groups_layer_decay(
        model,
        weight_decay=config.weight_decay,
        layer_decay=config.layer_decay,
        # Asked of the model as in timm's create_optimizer_v2.
        no_weight_decay_list=model.no_weight_decay() if hasattr(model, "no_weight_decay") else (),  # type: ignore[operator]
    )
    return [{**group, "lr": config.lr * group["lr_scale"]} for group in groups]


def step_if_finite(optimizer: optim.Optimizer, values: Tensor) -> None:
    """Call `optimizer.step()` if all `values` (N,) are finite; otherwise change nothing."""
    # Reading values synchronizes with a GPU; on a CPU it is the cheapest way.
    if values.is_cuda and optimizer.defaults.get("fused"):
        step_if_finite_on_device(optimizer, values)
    elif all(map(math.isfinite, values.tolist())):
        optimizer.step()


def step_if_finite_on_device(optimizer: optim.Optimizer, values: Tensor) -> None:
    """Do the same with a fused optimizer without synchronizing: it reads `found_inf` on the
    device, as it does for torch.amp.GradScaler."""
    optimizer.found_inf = (~torch.isfinite(values).all()).float()  # type: ignore[attr-defined]
    optimizer.step()
