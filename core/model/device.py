"""Which device, number format and memory layout a run computes with."""

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.common.errors import SetupError
from core.config.schema import Config


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

    def __str__(self) -> str:
        precision = "bf16" if self.bf16 else "fp32"
        return f"{precision}, {'channels_last' if self.channels_last else 'contiguous'}"


def compute_options(config: Config) -> list[Compute]:
    """Return what `device`, `precision` and `memory_format` allow on this machine, the usual way
    first. Where several are left, which one is fastest is for measuring.

    Raises DeviceError when a device is asked for that torch can't use here.
    """
    device = torch.device(_device_type(config.device))
    cuda = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if cuda else device.type
    precisions = {"fp32": [False], "bf16": [True], "auto": _usual_precisions(device)}
    layouts = {"contiguous": [False], "channels_last": [True], "auto": _usual_layouts(device)}
    ways = [
        Compute(device, name, bf16, channels_last)
        for bf16 in precisions[config.precision]
        for channels_last in layouts[config.memory_format]
    ]
    # What is chosen by the clock may be chosen otherwise the next time.
    return ways[:1] if config.deterministic else ways


def _usual_precisions(device: torch.device) -> list[bool]:
    if device.type == "cuda":
        return [torch.cuda.is_bf16_supported()]
    return [False, True] if device.type == "cpu" else [False]


def _usual_layouts(device: torch.device) -> list[bool]:
    return {"cuda": [True, False], "cpu": [False, True]}.get(device.type, [False])


def set_deterministic(wanted: bool) -> None:
    """Let torch use only algorithms that give the same bits every time, or the fastest ones.

    Follows torch's notes on reproducibility. An operation that has no such algorithm then raises
    RuntimeError with its name.
    """
    if wanted:
        # cuBLAS reads it when the process first uses it.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(wanted)
    torch.backends.cudnn.deterministic = wanted
    torch.backends.cudnn.benchmark = not wanted


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
