"""Read the memory of the training device without importing torch."""

import contextlib
import sys
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """Memory of a device, in bytes."""

    name: str
    total: int
    free: int


def device_memory(device: str) -> DeviceMemory | None:
    """Return the memory of the device `auto`, `cpu`, `cuda` or `mps`; None if it is unknown.

    Of several GPUs it is the one with the least free memory, because torch may number them in
    another order.
    """
    gpu = _gpu() if device in ("auto", "cuda") else None
    if gpu is not None or device == "cuda":
        return gpu
    host = psutil.virtual_memory()
    # Apple GPUs use the host's memory.
    name = "RAM, shared with the GPU" if device == "mps" or sys.platform == "darwin" else "RAM"
    return DeviceMemory(name, host.total, host.available)


def _gpu() -> DeviceMemory | None:
    import pynvml

    # A missing or broken driver raises many kinds of errors.
    with contextlib.suppress(Exception):
        pynvml.nvmlInit()
        try:
            handles = [
                pynvml.nvmlDeviceGetHandleByIndex(index)
                for index in range(pynvml.nvmlDeviceGetCount())
            ]
            memories = [_memory_of(handle) for handle in handles]
        finally:
            pynvml.nvmlShutdown()
        return min(memories, key=lambda memory: memory.free, default=None)
    return None


def _memory_of(handle: object) -> DeviceMemory:
    import pynvml

    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    name = pynvml.nvmlDeviceGetName(handle)
    return DeviceMemory(str(name), int(memory.total), int(memory.free))
