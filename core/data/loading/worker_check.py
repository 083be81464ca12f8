"""Data loader that notices dead workers while it waits for a batch."""

import time
from typing import Any

from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _BaseDataLoaderIter, _MultiProcessingDataLoaderIter

from core.data.loading.dataset import Batch

CHECK_SECONDS = 1.0
"""Time between two checks of the workers."""


class CheckedDataLoader(DataLoader[Batch]):
    """DataLoader whose `timeout` does not delay the error about a dead worker.

    DataLoader checks its workers when its timeout has passed, and before only if it is their parent
    process, which the forkserver is.
    """

    def _get_iterator(self) -> _BaseDataLoaderIter:
        return _CheckedIterator(self) if self.num_workers else super()._get_iterator()


class _CheckedIterator(_MultiProcessingDataLoaderIter):
    def _try_get_data(self, timeout: float = CHECK_SECONDS) -> tuple[bool, Any]:
        """Wait for a batch; raises RuntimeError within CHECK_SECONDS after a worker has died."""
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            wait = max(0.0, min(left, CHECK_SECONDS))
            found: tuple[bool, Any] = super()._try_get_data(wait)  # type: ignore[no-untyped-call]
            if found[0] or left <= CHECK_SECONDS:
                return found
