"""Which device, number format and memory layout a run computes with."""

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.config import Config
from core.errors import SetupError


class DeviceError(SetupError):
    """A device that was asked for by name and isn't there."""


@dataclass(frozen=True, slots=True)
class Compute:
    """The device with how to compute on it."""

    device: torch.device
    name: str
    bf16: bool
    channels_last: bool

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context of the forward pass."""
        if not self.bf16:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def place_model(self, model: nn.Module) -> nn.Module:
        """Move a model to the device, in the layout that is used there."""
        if self.channels_last:
            return model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
        return model.to(self.device)

    def place_images(self, images: Tensor) -> Tensor:
        """Move pictures (N, C, H, W) to the device, in the layout that is used there; features
        (N, F) as they are."""
        if images.dim() != 4:
            return images.to(self.device, non_blocking=True)
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return images.to(self.device, non_blocking=True, memory_format=layout)

    def seed(self, number: int) -> None:
        """Set the generators that a forward pass draws from.

        Not by torch.manual_seed: that also looks for every other kind of device, which takes
        longer than a small step.
        """
        torch.default_generator.manual_seed(number)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(number)
        elif self.device.type == "mps":
            torch.mps.manual_seed(number)


def choose_compute(config: Config) -> Compute:
    """Return what `device`, `precision` and `memory_format` come to on this machine.

    Raises DeviceError when a device is asked for that torch can't use here.
    """
    device = torch.device(_device_type(config.device))
    cuda = device.type == "cuda"
    bf16 = config.precision == "bf16" or (
        config.precision == "auto" and cuda and torch.cuda.is_bf16_supported()
    )
    channels_last = config.memory_format == "channels_last" or (
        config.memory_format == "auto" and cuda
    )
    name = torch.cuda.get_device_name(device) if cuda else device.type
    return Compute(device, name, bf16, channels_last)


def set_deterministic(wanted: bool) -> None:
    """Let torch use only algorithms that give the same bits every time, or any.

    Follows torch's notes on reproducibility. An operation that has no such algorithm then raises
    RuntimeError with its name.
    """
    if wanted:
        # cuBLAS reads it when the process first uses it.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(wanted)
    torch.backends.cudnn.deterministic = wanted


def _device_type(wanted: str) -> str:
    usable = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        return next(name for name, works in usable.items() if works)
    if not usable[wanted]:
        here = " and ".join(name for name, works in usable.items() if works)
        raise DeviceError(f"device={wanted}: torch can't use it on this machine, only {here}")
    return wanted
