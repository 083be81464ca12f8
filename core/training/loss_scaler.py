"""Loss scaling of fp16 training: small gradients would become zero in 16 bits."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.amp import GradScaler
from torch.optim import Optimizer

from core.model.device import Compute

INITIAL_SCALE = 2.0**12
"""torch begins with 2^16, which overflows in the first steps of fine-tuning: a short phase can't
afford to leave them out."""
OVERFLOW = -1.0
"""Gradient norm of a step that was left out because its scaled gradient overflowed."""


class LossScaler:
    """torch's GradScaler, with the state that a checkpoint needs.

    Nothing here synchronizes with a GPU, except a step of an optimizer that isn't fused.
    """

    def __init__(self, device: torch.device) -> None:
        self._scaler = GradScaler(device.type, init_scale=INITIAL_SCALE)
        # It creates its tensors in the first call, which a rank without images doesn't make.
        self.scale(torch.zeros((), device=device))

    def scale(self, loss: Tensor) -> Tensor:
        """Return the loss () times the scale."""
        return self._scaler.scale(loss)

    def unscale(self, optimizer: Optimizer) -> None:
        """Divide the gradients by the scale, and note whether all of them are finite."""
        self._scaler.unscale_(optimizer)

    def marked_norm(self, loss: Tensor, norm: Tensor) -> Tensor:
        """Return the gradient norm (), or OVERFLOW if it is not finite because of the scale alone.

        With a scale of 1 or less, or without a finite `loss` (), the scale is not the reason.
        """
        by_scale = torch.isfinite(loss) & ~torch.isfinite(norm) & (self._value(norm) > 1)
        return torch.where(by_scale, OVERFLOW, norm)

    def step(self, optimizer: Optimizer) -> None:
        """Take the optimizer step if all gradients are finite, and adapt the scale."""
        self._scaler.step(optimizer)
        self._scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """Return the scale and the steps since its last change."""
        return self._scaler.state_dict()

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Load a state."""
        self._scaler.load_state_dict(dict(saved))

    def _value(self, like: Tensor) -> Tensor:
        """Return the scale as a tensor (), on the device."""
        return self._scaler.scale(torch.ones_like(like))


def make_loss_scaler(compute: Compute) -> LossScaler | None:
    """Return the loss scaler of a phase, or None unless it computes in fp16."""
    return LossScaler(compute.device) if compute.precision == "fp16" else None
