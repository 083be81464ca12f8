"""Measure the utilization of a GPU with NVML, continuously in a thread."""

import threading
import time
from typing import Any, Self

from tests.benchmarks.common import mean

_SECONDS = 0.1


class GpuWatch:
    """Records the utilization of one GPU; nothing without a GPU."""

    def __init__(self, uuid: str | None) -> None:
        """`uuid` as reported by torch."""
        self._uuid = uuid
        self._seen: list[tuple[float, float]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def busy(self, begin: float, end: float) -> float:
        """Return the mean utilization between two moments (Unix seconds), 0 to 1, or NaN."""
        return mean(share for at, share in self._seen if begin <= at <= end)

    def _sample(self) -> None:
        handle = self._handle()
        if handle is None:
            return
        import pynvml

        while not self._stop.wait(_SECONDS):
            try:
                share = pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
            except pynvml.NVMLError:
                return
            self._seen.append((time.time(), share))

    def _handle(self) -> Any:
        if self._uuid is None:
            return None
        try:
            import pynvml

            pynvml.nvmlInit()
            return pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{self._uuid.removeprefix('GPU-')}")
        except Exception:  # no library, driver or permission: no value
            return None
