"""Images of batches that could not be read: each is reported once."""

from core.data.loading.dataset import Batch
from core.events.emitter import Emit
from core.training import event_factory
from core.training.phase_input import BatchSource


class UnreadableImages:
    """Emits an event for each unreadable image."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._reported: set[str] = set()

    def report(self, batch: Batch, source: BatchSource) -> None:
        """Report the images of a batch that are not in it."""
        for index, reason in batch.failed:
            path = source.dataset.paths[index]
            if path not in self._reported:
                self._reported.add(path)
                self._emit(event_factory.unreadable_file(path, reason))
