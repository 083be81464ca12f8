"""Feature loader for phase head: a frozen backbone computes each view of an image once.

The first epoch that needs a view of an image passes it through the whole network as usual, and the
input of the classifier is cached; later epochs train the classifier on that. View 0 is the image as
in validation, view v > 0 the augmentation of epoch v + 1. With several ranks, each computes its
shard of a batch, and they exchange features before an epoch in another order.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from core.data.loading.dataset import UNAUGMENTED_EPOCH, Batch
from core.data.loading.loader import Loader, batched
from core.training.features.frozen_backbone import FrozenBackbone
from core.training.features.store import FeatureStore, exchange_features

_RESIDENT_BYTES = 1 << 30


def augmentation_epoch(view: int) -> int:
    """Return the epoch whose augmentation a view has."""
    return UNAUGMENTED_EPOCH if view == 0 else view + 1


class FeatureLoader:
    """Batches of images while their features are unknown, then batches of features.

    In the last bits, features depend on the batch in which an image was computed. An image is
    therefore always computed in the batch of its first epoch, whichever features are missing.
    """

    def __init__(
        self,
        images: Loader,
        net: FrozenBackbone,
        views: int,
        order: Callable[[int], list[int]] | None,
        open_store: Callable[[int], FeatureStore],
        device: torch.device,
    ) -> None:
        """`order` returns the indices of an epoch (from 1), None is the dataset's order in all
        epochs; `open_store` opens the cache of a view."""
        self.dataset, self.steps = images.dataset, images.steps
        self.images = images
        self.views = views
        self._group = images.group
        self._net = net
        self._order = order
        self._open = open_store
        self._device = device
        self._labels = torch.tensor(images.dataset.labels, dtype=torch.int64)
        self._stores: dict[int, FeatureStore] = {}
        self._resident: dict[int, Tensor] = {}
        self._lost: set[int] = set()
        """Indices of images that can no longer be read."""

    def epoch(
        self, phase: str, epoch: int, order: list[int] | None = None, done: int = 0
    ) -> Iterator[Batch]:
        """Yield the batches of one pass except the first `done`. Raises LoaderError."""
        view = (epoch - 1) % self.views
        indices = order or self._order_of(epoch)
        return self._batches(phase, view, batched(indices, self._batch_size)[done:])

    def missing(self, phase: str, epoch: int) -> Iterator[Batch]:
        """Yield the batches of a view's first epoch in which features are missing from the cache.

        The network must be called with each batch. Nothing is yielded in the first epoch itself.
        """
        view = (epoch - 1) % self.views
        first = view + 1
        if epoch == first or self._order is None:
            return iter(())  # this epoch computes them itself
        return self._missing(phase, view, batched(self._order_of(first), self._batch_size))

    def batch_images(self, phase: str, epoch: int, batch: Batch, most: int) -> Batch:
        """Return the first `most` images of a batch of this epoch, as the network sees them."""
        if batch.images.dim() == 4:
            return self.images.batch_images(phase, epoch, batch, most)
        indices = batch.indices[:most].tolist()
        return self.images.load_now(phase, augmentation_epoch((epoch - 1) % self.views), indices)

    def _order_of(self, epoch: int) -> list[int]:
        return self._order(epoch) if self._order else list(range(len(self.dataset)))

    @property
    def _batch_size(self) -> int:
        return self.images.batch_size

    def _missing(self, phase: str, view: int, batches: list[list[int]]) -> Iterator[Batch]:
        self._exchange(view)
        incomplete = self._incomplete(self._store(view), batches)
        if incomplete:
            yield from self._computed(phase, view, [batches[number] for number in incomplete])
            self._exchange(view)

    def _exchange(self, view: int) -> None:
        """Give all ranks the features that any of them has."""
        if self._group.size > 1:
            self._lost.update(*self._group.gather(self._lost))
            exchange_features(self._store(view), self._group)

    def _batches(self, phase: str, view: int, batches: list[list[int]]) -> Iterator[Batch]:
        store = self._store(view)
        incomplete = self._incomplete(store, [self._group.local_shard(batch) for batch in batches])
        computed = self._computed(phase, view, [batches[number] for number in incomplete])
        to_compute = set(incomplete)
        for number, indices in enumerate(batches):
            if number in to_compute:
                yield next(computed)
            else:
                yield self._cached(view, self._group.local_shard(indices))
        next(computed, None)  # the last batch is stored when the next one is requested

    def _computed(self, phase: str, view: int, batches: list[list[int]]) -> Iterator[Batch]:
        if not batches:
            return
        store = self._store(view)
        for batch in self.images.batches(phase, augmentation_epoch(view), batches):
            self._net.captured = []
            try:
                yield batch
                self._save(store, batch, self._net.captured)
            finally:
                self._net.captured = None

    def _save(self, store: FeatureStore, batch: Batch, captured: list[Tensor]) -> None:
        self._lost.update(index for index, _ in batch.failed)
        if len(batch.labels):
            # After a step that ran out of memory and was repeated, the last rows are complete.
            rows = torch.cat(captured)[-len(batch.labels) :]
            store.write(batch.indices.tolist(), rows.float().cpu().numpy())

    def _incomplete(self, store: FeatureStore, batches: list[list[int]]) -> list[int]:
        """Return the numbers of the batches in which an image lacks its features."""
        if store.known.all():
            return []
        available = store.known.copy()
        available[list(self._lost)] = True
        return [number for number, indices in enumerate(batches) if not available[indices].all()]

    def _cached(self, view: int, indices: list[int]) -> Batch:
        readable = [i for i in indices if i not in self._lost] if self._lost else indices
        found = torch.tensor(readable, dtype=torch.int64)
        return Batch(self._rows(view, found), self._labels[found], found, [])

    def _rows(self, view: int, indices: Tensor) -> Tensor:
        if view in self._resident:
            resident = self._resident[view]
            return resident[indices.to(resident.device)]
        store = self._store(view)
        if store.known.all() and store.bytes <= _RESIDENT_BYTES:
            self._resident[view] = torch.from_numpy(np.array(store.rows)).to(self._device)
            return self._rows(view, indices)
        return torch.from_numpy(store.rows[indices.numpy()])

    def _store(self, view: int) -> FeatureStore:
        if view not in self._stores:
            self._stores[view] = self._open(view)
        return self._stores[view]
