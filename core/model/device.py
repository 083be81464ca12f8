"""Choose the device, precision and memory format of a run."""

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.common.errors import SetupError
from core.config.schema import Config

_AUTOCAST_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class DeviceError(SetupError):
    """A requested device that is not available."""


@dataclass(frozen=True, slots=True)
class Compute:
    """A device with the precision and memory format to use on it."""

    device: torch.device
    name: str
    precision: str
    """`fp32`, or the autocast type: `bf16` or `fp16`."""
    channels_last: bool

    def autocast(self) -> AbstractContextManager[object]:
        """Return the autocast context of the forward pass."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=_AUTOCAST_TYPES[self.precision])

    def place_model(self, model: nn.Module) -> nn.Module:
        """Move a model to the device, in its memory format."""
        if self.channels_last:
            return model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
        return model.to(self.device)

    def place_images(self, images: Tensor) -> Tensor:
        """Move images (N, C, H, W) to the device, in its memory format; features (N, F) are only
        moved."""
        if images.dim() != 4:
            return images.to(self.device, non_blocking=True)
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return images.to(self.device, non_blocking=True, memory_format=layout)

    def seed(self, number: int) -> None:
        """Seed the generators that a forward pass uses.

        Not with torch.manual_seed, which also seeds every other kind of device and takes longer
        than a short step.
        """
        torch.default_generator.manual_seed(number)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(number)
        elif self.device.type == "mps":
            torch.mps.manual_seed(number)

    def __str__(self) -> str:
        return f"{self.precision}, {'channels_last' if self.channels_last else 'contiguous'}"


def compute_options(config: Config) -> list[Compute]:
    """Return the combinations that `device`, `precision` and `memory_format` allow on this machine,
    the default first. If there are several, a benchmark chooses the fastest.

    Raises DeviceError if the requested device is not available.
    """
    device = torch.device(_device_type(config.device))
    cuda = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if cuda else device.type
    precisions = _auto_precisions(device) if config.precision == "auto" else [config.precision]
    memory_formats = {
        "contiguous": [False],
        "channels_last": [True],
        "auto": _auto_memory_formats(device),
    }
    options = [
        Compute(device, name, precision, channels_last)
        for precision in precisions
        for channels_last in memory_formats[config.memory_format]
    ]
    # A choice by measured time may differ the next time.
    return options[:1] if config.deterministic else options


def _auto_precisions(device: torch.device) -> list[str]:
    if device.type == "cuda":
        # GPUs before Ampere emulate bf16, slower than fp32; they compute fp16 in tensor cores.
        return ["bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"]
    return ["fp32", "bf16"] if device.type == "cpu" else ["fp32"]


def _auto_memory_formats(device: torch.device) -> list[bool]:
    return {"cuda": [True, False], "cpu": [False, True]}.get(device.type, [False])


def set_deterministic(enabled: bool) -> None:
    """Make torch use only deterministic algorithms, or the fastest ones.

    Follows torch's notes on reproducibility. In deterministic mode an operation without a
    deterministic algorithm raises RuntimeError with its name.
    """
    if enabled:
        # cuBLAS reads this variable on its first use in the process.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(enabled)
    torch.backends.cudnn.deterministic = enabled
    torch.backends.cudnn.benchmark = not enabled


def _device_type(requested: str) -> str:
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if requested == "auto":
        return next(name for name, usable in available.items() if usable)
    if not available[requested]:
        names = " and ".join(name for name, usable in available.items() if usable)
        raise DeviceError(
            f"device={requested} is not available to torch on this machine, only {names}"
        )
    return requested
