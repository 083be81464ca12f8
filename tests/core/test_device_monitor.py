import os
import sys
import threading
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import psutil
import pytest

from core.events.types import DeviceSample, Event
from core.training.device_monitor import DeviceMemory, DeviceMonitor, DeviceProbe, DeviceSampler

GB = 1_000_000_000
CPU = DeviceProbe(device="cpu", name="cpu")
MEMORY = DeviceMemory(allocated=2 * GB, reserved=3 * GB, peak=4 * GB, total=80 * GB)
GPU = DeviceProbe(device="cuda", name="H1", uuid="GPU-1", memory=lambda: MEMORY)


class FakeNVML(ModuleType):
    """A pynvml whose results can be replaced or made to fail."""

    NVML_TEMPERATURE_GPU = 0

    class NVMLError(Exception):
        pass

    def __init__(self) -> None:
        super().__init__("pynvml")
        self.uuids: list[str] = []
        self.processes: list[Any] = []
        self.failing: dict[str, Exception] = {}

    def _answer(self, name: str, value: Any) -> Any:
        if name in self.failing:
            raise self.failing[name]
        return value

    def nvmlInit(self) -> None:
        self._answer("init", None)

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        self.uuids.append(uuid)
        return str(self._answer("handle", "handle"))

    def nvmlDeviceGetUtilizationRates(self, handle: str) -> Any:
        return self._answer("utilization", SimpleNamespace(gpu=87, memory=40))

    def nvmlDeviceGetTemperature(self, handle: str, sensor: int) -> Any:
        return self._answer("temperature", 61)

    def nvmlDeviceGetPowerUsage(self, handle: str) -> Any:
        return self._answer("power", 312_345)

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: str) -> Any:
        return self._answer("power limit", 700_000)

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> Any:
        return self._answer("memory", SimpleNamespace(total=80 * GB, used=10 * GB, free=70 * GB))

    def nvmlDeviceGetComputeRunningProcesses(self, handle: str) -> Any:
        return self._answer("processes", self.processes)


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> FakeNVML:
    fake = FakeNVML()
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    return fake


def process(pid: int, used: int | None) -> Any:
    return SimpleNamespace(pid=pid, usedGpuMemory=used)


def assert_host_figures(sample: DeviceSample) -> None:
    assert sample.host_cpu is not None
    assert 0.0 <= sample.host_cpu <= 1.0
    assert sample.host_used is not None
    assert sample.host_total is not None
    assert 0 < sample.host_used <= sample.host_total
    assert sample.process_rss is not None
    assert sample.process_rss > 1_000_000


def test_without_a_gpu_a_sample_has_host_values_and_the_reason(nvml: FakeNVML) -> None:
    sample = DeviceSampler(CPU).sample()
    assert_host_figures(sample)
    assert (sample.allocated, sample.total, sample.others) == (None, None, None)
    assert (sample.utilization, sample.temperature) == (None, None)
    assert sample.note == "no GPU in use"
    assert nvml.uuids == []


def test_with_a_gpu_a_sample_has_all_values(nvml: FakeNVML) -> None:
    nvml.processes = [process(os.getpid(), 4 * GB), process(1, 6 * GB)]
    sample = DeviceSampler(GPU).sample()
    assert_host_figures(sample)
    assert (sample.device, sample.name) == ("cuda", "H1")
    assert (sample.allocated, sample.reserved) == (2 * GB, 3 * GB)
    assert (sample.peak, sample.total) == (4 * GB, 80 * GB)
    assert (sample.utilization, sample.temperature) == (0.87, 61.0)
    assert (sample.power, sample.power_limit) == (312.345, 700.0)
    assert sample.others == 6 * GB
    assert sample.note == ""
    assert nvml.uuids == ["GPU-1"]


@pytest.mark.parametrize(
    ("processes", "others"),
    [
        ([], 7 * GB),
        ([process(1, 6 * GB)], 7 * GB),
        ([process(os.getpid(), None)], 7 * GB),
        ([process(os.getpid(), 4 * GB)], 6 * GB),
        ([process(os.getpid(), 11 * GB)], 0),
    ],
    ids=["none listed", "in a container", "size unknown", "listed", "more than used"],
)
def test_memory_of_others_excludes_our_own(
    nvml: FakeNVML, processes: list[Any], others: int
) -> None:
    nvml.processes = processes
    assert DeviceSampler(GPU).sample().others == others


@pytest.mark.parametrize(
    ("broken", "lost"),
    [
        ("utilization", {"utilization"}),
        ("temperature", {"temperature"}),
        ("memory", {"others"}),
        ("processes", set()),
    ],
)
@pytest.mark.parametrize("error", [FakeNVML.NVMLError("Not Supported"), OSError("driver is gone")])
def test_an_error_hides_only_one_value(
    nvml: FakeNVML, broken: str, lost: set[str], error: Exception
) -> None:
    nvml.failing[broken] = error
    sample = DeviceSampler(GPU).sample()
    figures = ("utilization", "temperature", "others")
    assert {name for name in figures if getattr(sample, name) is None} == lost
    assert str(error) in sample.note
    assert sample.allocated == 2 * GB
    assert_host_figures(sample)


@pytest.mark.parametrize(
    ("broken", "power", "limit"),
    [({"power"}, None, 700.0), ({"power limit"}, 312.345, None),
     ({"power", "power limit"}, None, None)],
)  # fmt: skip
def test_a_gpu_without_power_values_has_all_others_and_no_note(
    nvml: FakeNVML, broken: set[str], power: float | None, limit: float | None
) -> None:
    nvml.failing |= {name: FakeNVML.NVMLError("Not Supported") for name in broken}
    sample = DeviceSampler(GPU).sample()
    assert (sample.power, sample.power_limit) == (power, limit)
    assert (sample.utilization, sample.temperature, sample.note) == (0.87, 61.0, "")


@pytest.mark.parametrize("broken", ["init", "handle"])
@pytest.mark.parametrize(
    "error", [FakeNVML.NVMLError("Driver Not Loaded"), OSError("libnvidia-ml.so.1"), TypeError("x")]
)
def test_a_broken_nvml_is_noted_and_hides_nothing_else(
    nvml: FakeNVML, broken: str, error: Exception
) -> None:
    nvml.failing[broken] = error
    sample = DeviceSampler(GPU).sample()
    assert (sample.utilization, sample.temperature, sample.others) == (None, None, None)
    assert sample.total == 80 * GB
    assert str(error) in sample.note
    assert_host_figures(sample)


def test_a_missing_pynvml_is_noted_and_hides_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    sample = DeviceSampler(GPU).sample()
    assert sample.utilization is None
    assert sample.total == 80 * GB
    assert "pynvml" in sample.note


def test_a_failed_device_leaves_the_host_values(nvml: FakeNVML) -> None:
    def fail() -> DeviceMemory:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    sample = DeviceSampler(DeviceProbe("cuda", "H1", "GPU-1", fail)).sample()
    assert sample.allocated is None
    assert sample.utilization == 0.87
    assert "illegal memory access" in sample.note
    assert_host_figures(sample)


def test_a_gpu_of_another_vendor_has_memory_values_and_no_note(nvml: FakeNVML) -> None:
    sample = DeviceSampler(DeviceProbe("mps", "mps", memory=lambda: MEMORY)).sample()
    assert (sample.allocated, sample.note, nvml.uuids) == (2 * GB, "", [])


def test_a_process_without_access_is_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **keys: object) -> None:
        raise psutil.AccessDenied(1)

    sampler = DeviceSampler(CPU)
    monkeypatch.setattr(psutil.Process, "children", refuse)
    monkeypatch.setattr(psutil.Process, "memory_info", refuse)
    assert sampler.sample().process_rss == 0


def collecting(samples: list[Event], enough: int) -> tuple[Callable[[Event], None], Any]:
    done = threading.Event()

    def emit(event: Event) -> None:
        samples.append(event)
        if len(samples) >= enough:
            done.set()

    return emit, done


def test_the_monitor_samples_at_intervals_until_it_is_closed() -> None:
    samples: list[Event] = []
    emit, done = collecting(samples, enough=3)
    monitor = DeviceMonitor(CPU, emit, seconds=0.001)
    assert done.wait(30)
    monitor.close()
    count = len(samples)
    assert count >= 3
    assert all(isinstance(sample, DeviceSample) for sample in samples)
    assert "device-monitor" not in {thread.name for thread in threading.enumerate()}


def test_a_long_run_is_sampled_at_once_and_then_rarely() -> None:
    samples: list[Event] = []
    emit, done = collecting(samples, enough=1)
    monitor = DeviceMonitor(CPU, emit, seconds=0.001, run_seconds=365 * 86_400.0)
    assert done.wait(30)
    monitor.close()
    assert len(samples) == 1


def test_a_full_disk_ends_the_monitor_without_an_error() -> None:
    def emit(event: Event) -> None:
        raise OSError(28, "No space left on device")

    DeviceMonitor(CPU, emit, seconds=0.001).close()
