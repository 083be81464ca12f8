"""Unfreeze a model stage by stage, from the last one back to the first layers."""

from collections.abc import Iterable

from timm.models import group_parameters
from torch import nn


def stages(model: nn.Module) -> list[list[str]]:
    """Return the parameter names of each stage as timm groups them, first layers first.

    The classifier head, with the norm before it, belongs to the last stage.
    """
    matcher = model.group_matcher(coarse=True)  # type: ignore[operator]
    groups = [list(names) for names in group_parameters(model, matcher).values()]
    return [*groups[:-2], [name for group in groups[-2:] for name in group]]


def trained_stages(unfreeze: str | int, epoch: int, count: int) -> int:
    """Return how many of `count` stages, from the last one, are trained in an epoch (from 1).

    `unfreeze` is `all`, or the number of epochs after which another stage is trained.
    """
    return count if isinstance(unfreeze, str) else min(count, 1 + (epoch - 1) // unfreeze)


def train_only(model: nn.Module, trained: Iterable[Iterable[str]]) -> bool:
    """Train the parameters of these stages alone; return whether that changes anything.

    Parts without a trained parameter are set to eval mode: they keep the statistics of BatchNorm
    and drop nothing.
    """
    names = {name for stage in trained for name in stage}
    before = [parameter.requires_grad for parameter in model.parameters()]
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in names)
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()
    return before != [parameter.requires_grad for parameter in model.parameters()]
