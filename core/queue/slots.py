"""Slots of a worker: how many jobs run at the same time, and on which GPU."""

import os

from core.common.errors import SetupError
from core.common.gpus import visible_gpus
from core.common.text import quoted

_GPU = "GPU "
_MOST = 64


def parse_slots(text: str | None) -> tuple[str, ...]:
    """Return the names of the slots for `gpu` (one per visible GPU) or a number of slots.

    Without text: one per GPU, or one on a machine without GPUs. Raises SetupError.
    """
    if text is None or text == "gpu":
        gpus = tuple(f"{_GPU}{name}" for name in visible_gpus())
        if text == "gpu" and not gpus:
            raise SetupError("--slots gpu: this machine has no NVIDIA GPU; give a number")
        return gpus or ("1",)
    if not text.isdecimal() or not 1 <= int(text) <= _MOST:
        raise SetupError(f"--slots is {quoted(text)}; expected gpu, or a number from 1 to {_MOST}")
    return tuple(str(number) for number in range(1, int(text) + 1))


def slot_environment(slot: str) -> dict[str, str]:
    """Return the environment variables of a job in a slot: a GPU slot shows it one GPU only."""
    if not slot.startswith(_GPU):
        return {}
    variables = {"CUDA_VISIBLE_DEVICES": slot.removeprefix(_GPU)}
    if "CUDA_VISIBLE_DEVICES" not in os.environ:
        variables["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    return variables
