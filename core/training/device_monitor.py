"""Device monitor: samples the training device and the host at intervals, in its own thread."""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil

from core.events.emitter import Emit
from core.events.pacing import event_interval
from core.events.types import DeviceSample

SAMPLE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """Values of PyTorch's allocator in bytes."""

    allocated: int
    reserved: int
    peak: int
    total: int


@dataclass(frozen=True, slots=True)
class DeviceProbe:
    """The engine's device, in a form that doesn't need torch here."""

    device: str
    name: str
    uuid: str = ""
    """In NVML's format (`GPU-…`); empty for other devices than NVIDIA GPUs."""
    memory: Callable[[], DeviceMemory] | None = None
    rank: int = 0
    host: str = ""
    """Hostname, if there may be several."""
    wait_fraction: Callable[[], float | None] = lambda: None
    """Fraction of time since the last call that was spent waiting for other ranks."""


class DeviceMonitor:
    """Emits a DeviceSample every `seconds` until it is closed; less often in a long run."""

    def __init__(
        self,
        probe: DeviceProbe,
        emit: Emit,
        seconds: float = SAMPLE_SECONDS,
        run_seconds: float = 0.0,
    ) -> None:
        """`run_seconds` are those that earlier processes have trained this run."""
        self._sampler = DeviceSampler(probe)
        self._emit = emit
        self._seconds = seconds
        # Includes pauses, in which the device is sampled as well.
        self._run_began = time.monotonic() - run_seconds
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="device-monitor", daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while True:
            try:
                self._emit(self._sampler.sample())
            except OSError:
                return  # the engine reports the disk problem itself
            age = time.monotonic() - self._run_began
            if self._closing.wait(event_interval(self._seconds, age)):
                return

    def close(self) -> None:
        """Stop the thread."""
        self._closing.set()
        self._thread.join()


class DeviceSampler:
    """Reads the device through NVML, if available, and the host through psutil."""

    def __init__(self, probe: DeviceProbe) -> None:
        self._probe = probe
        self._process = psutil.Process()
        self._nvml, self._note = _open_nvml(probe)
        psutil.cpu_percent()  # the first call only starts the interval that the next one measures

    def sample(self) -> DeviceSample:
        """Return a sample of device and host. Unknown values are None; this raises no errors."""
        memory, problem = self._memory()
        gpu = self._nvml.read(memory) if self._nvml else _GpuReading()
        host = psutil.virtual_memory()
        return DeviceSample(
            device=self._probe.device,
            name=self._probe.name,
            rank=self._probe.rank,
            host=self._probe.host,
            allocated=memory.allocated if memory else None,
            reserved=memory.reserved if memory else None,
            peak=memory.peak if memory else None,
            total=memory.total if memory else None,
            others=gpu.others,
            utilization=gpu.utilization,
            temperature=gpu.temperature,
            power=gpu.power,
            power_limit=gpu.power_limit,
            host_cpu=psutil.cpu_percent() / 100,
            host_used=host.total - host.available,
            host_total=host.total,
            process_rss=self._resident(),
            waits=self._probe.wait_fraction(),
            note=problem or gpu.note or self._note,
        )

    def _memory(self) -> tuple[DeviceMemory | None, str]:
        try:
            return (self._probe.memory() if self._probe.memory else None), ""
        except RuntimeError as error:  # the engine reports a failed device itself
            return None, " ".join(f"{self._probe.device}: {error}".split())[:200]

    def _resident(self) -> int:
        total = 0
        for process in [self._process, *_children(self._process)]:
            try:
                total += process.memory_info().rss
            except psutil.Error:
                continue  # a worker that has just exited
        return total


@dataclass(frozen=True, slots=True)
class _GpuReading:
    utilization: float | None = None
    temperature: float | None = None
    power: float | None = None
    power_limit: float | None = None
    others: int | None = None
    note: str = ""


class _Nvml:
    """One GPU through NVML. Values are read separately, so that an error hides no other one."""

    def __init__(self, uuid: str) -> None:
        import pynvml

        self._lib: Any = pynvml
        pynvml.nvmlInit()
        self._handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)

    def read(self, memory: DeviceMemory | None) -> _GpuReading:
        lib, handle = self._lib, self._handle
        problems: list[str] = []

        def query(call: Callable[[], Any]) -> Any:
            try:
                return call()
            except Exception as error:  # a failing driver raises many kinds of errors
                problems.append(f"NVML: {error}")
                return None

        def watts(call: Callable[[Any], int]) -> float | None:
            # Not noted: many GPUs and virtual machines don't report power.
            with suppress(Exception):
                return call(handle) / 1000
            return None

        busy = query(lambda: lib.nvmlDeviceGetUtilizationRates(handle).gpu)
        heat = query(lambda: lib.nvmlDeviceGetTemperature(handle, lib.NVML_TEMPERATURE_GPU))
        used = query(lambda: lib.nvmlDeviceGetMemoryInfo(handle).used)
        processes = query(lambda: lib.nvmlDeviceGetComputeRunningProcesses(handle))
        return _GpuReading(
            utilization=None if busy is None else busy / 100,
            temperature=None if heat is None else float(heat),
            power=watts(lib.nvmlDeviceGetPowerUsage),
            power_limit=watts(lib.nvmlDeviceGetEnforcedPowerLimit),
            others=None if used is None else max(0, used - _own_bytes(processes or [], memory)),
            note=problems[0] if problems else "",
        )


def _own_bytes(processes: list[Any], memory: DeviceMemory | None) -> int:
    own = [p.usedGpuMemory for p in processes if p.pid == os.getpid()]
    if own and own[0]:
        return int(own[0])
    # In a container the pids differ; the CUDA context is then counted as memory of others.
    return memory.reserved if memory else 0


def _open_nvml(probe: DeviceProbe) -> tuple[_Nvml | None, str]:
    if not probe.uuid:
        return None, _missing_values(probe)
    try:
        return _Nvml(probe.uuid), ""
    except Exception as error:  # a missing or broken driver raises many kinds of errors
        return None, f"no utilization and temperature: {error}"


def _missing_values(probe: DeviceProbe) -> str:
    if probe.memory is not None:
        return ""
    return "no GPU in use" if probe.device == "cpu" else f"{probe.device} reports no values"


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []
