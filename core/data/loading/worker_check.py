"""Data loader that notices dead workers while it waits for a batch."""

import time
from typing import Any

from torch.utils.data import DataLoader, dataloader

from core.data.loading.dataset import Batch

CHECK_SECONDS = 1.0
"""Time between two checks of the workers."""
_Iterator: Any = getattr(dataloader, "_MultiProcessingDataLoaderIter", object)


class CheckedDataLoader(DataLoader[Batch]):
    """DataLoader whose `timeout` does not delay the error about a dead worker.

    DataLoader checks its workers when its timeout has passed, and before only if it is their parent
    process, which the forkserver is. The hook is private: a version of torch without it notices a
    dead worker after the timeout.
    """

    def _get_iterator(self) -> Any:
        is_checked = self.num_workers > 0 and hasattr(_Iterator, "_try_get_data")
        return _CheckedIterator(self) if is_checked else super()._get_iterator()


class _CheckedIterator(_Iterator):  # type: ignore[misc]
    def _try_get_data(self, timeout: float = CHECK_SECONDS) -> tuple[bool, Any]:
        """Wait for a batch; raises RuntimeError within CHECK_SECONDS after a worker has died."""
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            wait = max(0.0, min(left, CHECK_SECONDS))
            found: tuple[bool, Any] = super()._try_get_data(wait)
            if found[0] or left <= CHECK_SECONDS:
                return found
