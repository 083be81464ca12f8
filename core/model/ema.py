"""A moving average of the weights, which is what validation sees and a phase ends with."""

from collections.abc import Mapping

import torch
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from core.config.schema import Config
from core.model.build import copy_weights
from core.model.normalize import NormalizedModel


class ModelEma:
    """An exponential moving average of all weights and buffers, by timm's `ModelEmaV3`.

    Its decay grows to the one asked for, as a phase that begins with good weights takes few steps:
    after n of them it is at most 1 - n^(-2/3).
    """

    def __init__(self, net: NormalizedModel, decay: float, compiled: bool = False) -> None:
        """The average begins with the weights as they are, on their device."""
        self._training = net
        self._average = ModelEmaV3(net, decay=decay, use_warmup=True)
        self.net = torch.compile(self._average.module) if compiled else self._average.module
        """From pictures (N, C, H, W) to logits (N, classes), by the averaged weights."""

    @property
    def model(self) -> nn.Module:
        """The averaged model."""
        return self._average.module.model  # type: ignore[no-any-return]

    def update(self, steps: int) -> None:
        """Take in the weights after the phase's so many steps; waits for nothing."""
        self._average.update(self._training, step=steps)

    def reset(self) -> None:
        """Begin anew with the weights as they are."""
        self._average.set(self._training)

    def copy_weights(self) -> dict[str, Tensor]:
        """Return a true copy of the averaged weights, on the CPU."""
        return copy_weights(self.model)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take over an average that was copied."""
        self.model.load_state_dict(weights)


def make_ema(config: Config, phase: str, net: NormalizedModel) -> ModelEma | None:
    """Return the average that a phase keeps of a network's weights, if it keeps one."""
    decay = config.phases.full.ema if phase == "full" else None
    return None if decay is None else ModelEma(net, decay, config.compile)
