"""Exponential moving average (EMA) of the weights, used for validation and as a phase's result."""

from collections.abc import Mapping

import torch
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from core.config.phases import FULL
from core.config.schema import Config
from core.model.build import copy_weights
from core.model.normalize import NormalizedModel


class ModelEma:
    """Exponential moving average of all weights and buffers, timm's `ModelEmaV3`.

    The decay warms up, because fine-tuning takes few steps: after n steps it is at most 1 - 1/n, so
    that until the decay is reached the average is the plain mean of the weights after every step
    (stochastic weight averaging: Izmailov et al., 2018).
    """

    def __init__(self, net: NormalizedModel, decay: float, compiled: bool = False) -> None:
        """Start from the current weights, on their device."""
        self._net = net
        self._ema = ModelEmaV3(net, decay=decay, use_warmup=True, warmup_power=1.0)
        self.net = torch.compile(self._ema.module) if compiled else self._ema.module
        """From images (N, C, H, W) to logits (N, classes), with the averaged weights."""

    @property
    def model(self) -> nn.Module:
        """The averaged model."""
        return self._ema.module.model  # type: ignore[no-any-return]

    def update(self, steps: int) -> None:
        """Update the average after `steps` steps of the phase; does not synchronize the device."""
        self._ema.update(self._net, step=steps)

    def reset(self) -> None:
        """Restart from the current weights."""
        self._ema.set(self._net)

    def copy_weights(self) -> dict[str, Tensor]:
        """Return a copy of the averaged weights, on the CPU."""
        return copy_weights(self.model)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Load averaged weights from `copy_weights`."""
        self.model.load_state_dict(weights)


def make_ema(config: Config, phase: str, net: NormalizedModel) -> ModelEma | None:
    """Return the EMA of a phase's weights, or None if the phase has none."""
    decay = config.phases.full.ema if phase == FULL else None
    return None if decay is None else ModelEma(net, decay, config.compile)
