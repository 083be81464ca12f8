"""Phase head from features: a frozen backbone is a function, called once a picture and view.

The first time that an epoch needs a view of a picture, the picture goes through the whole network
as usual and what reaches the classifier is kept; later epochs train the classifier on that. View
0 is the picture as validation sees it, view v > 0 what epoch v + 1 would have drawn. Of several
ranks each computes its share of a batch, and before an epoch in another order they tell each other.
"""

import hashlib
import json
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from core.data.loading.dataset import UNAUGMENTED_EPOCH, Batch, ImageDataset
from core.data.loading.loader import Loader, batched
from core.model.device import Compute
from core.model.normalize import NormalizedModel
from core.training.features.exchange import exchange
from core.training.features.store import FeatureStore
from core.training.losses import TrainingLoss
from core.training.mixup import BatchMixer

_RESIDENT_BYTES = 1 << 30


class BatchSource(Protocol):
    """Where a phase's batches come from: pictures, or features of them."""

    dataset: ImageDataset
    steps: int

    def epoch(
        self, phase: str, epoch: int, order: list[int] | None = None, done: int = 0
    ) -> Iterator[Batch]:
        """Yield the batches of one pass but the first `done`."""

    def missing(self, phase: str, epoch: int) -> Iterator[Batch]:
        """Yield pictures that must go through the network before this epoch can begin."""

    def batch_images(self, phase: str, epoch: int, batch: Batch, most: int) -> Batch:
        """Return the first pictures of a batch of this epoch, as the network sees or saw them."""


@dataclass(frozen=True, slots=True)
class PhaseInput:
    """What a phase trains: the network as it is called, and the batches for both passes."""

    net: Callable[[Tensor], Tensor]
    train: BatchSource
    val: BatchSource
    compute: Compute
    """How the phase computes."""
    order: Callable[[str, int], list[int]]
    """The places that an epoch of a phase visits."""
    loss: TrainingLoss
    pixels: NormalizedModel
    """The network, not compiled, that sees whole pictures."""
    mix: BatchMixer | None = None
    """What mixes the pictures of a batch before they are trained on."""


class FrozenBackbone(nn.Module):
    """A network with a frozen backbone: pictures (N, C, H, W) go through all of it, features
    (N, F) through the classifier alone."""

    def __init__(self, net: NormalizedModel) -> None:
        super().__init__()
        self.net = net
        self.captured: list[Tensor] | None = None
        """What reached the classifier, a tensor a call; None while nobody wants it."""

    @property
    def classifier(self) -> nn.Linear:
        """What trains."""
        return self.net.model.get_classifier()  # type: ignore[operator,no-any-return]

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (N, classes)."""
        if inputs.dim() == 2:
            return self.classifier(inputs)  # type: ignore[no-any-return]
        captured = self.captured
        if captured is None:
            return self.net(inputs)  # type: ignore[no-any-return]
        hook = self.classifier.register_forward_pre_hook(
            lambda module, arguments: captured.append(arguments[0].detach())
        )
        try:
            return self.net(inputs)  # type: ignore[no-any-return]
        finally:
            hook.remove()


class FeatureLoader:
    """Batches of pictures while their features are not known, of features from then on.

    What is kept depends on the batch that a picture was computed in, in the last bits; so a
    picture is only ever computed together with those of its first batch, whatever was lost since.
    """

    def __init__(
        self,
        pictures: Loader,
        net: FrozenBackbone,
        views: int,
        order: Callable[[int], list[int]] | None,
        open_store: Callable[[int], FeatureStore],
        device: torch.device,
    ) -> None:
        """`order` gives the order of an epoch (from 1), None is the data set's own in all of
        them; `open_store` gives what is kept of a view."""
        self.dataset, self.steps = pictures.dataset, pictures.steps
        self._pictures = pictures
        self._group = pictures.group
        self._net = net
        self._views = views
        self._order = order
        self._open = open_store
        self._device = device
        self._labels = torch.tensor(pictures.dataset.labels, dtype=torch.int64)
        self._stores: dict[int, FeatureStore] = {}
        self._resident: dict[int, Tensor] = {}
        self._lost: set[int] = set()
        """Pictures that can't be read any more."""

    def epoch(
        self, phase: str, epoch: int, order: list[int] | None = None, done: int = 0
    ) -> Iterator[Batch]:
        """Yield the batches of one pass but the first `done`. Raises LoaderError."""
        view = (epoch - 1) % self._views
        places = order or self._order_of(epoch)
        return self._batches(phase, view, batched(places, self._size)[done:])

    def missing(self, phase: str, epoch: int) -> Iterator[Batch]:
        """Yield pictures whose features an earlier epoch left and that are gone since, with all
        others of the batch that they were computed in. The network must see each batch."""
        view = (epoch - 1) % self._views
        first = view + 1
        if epoch == first or self._order is None:
            return iter(())  # this epoch computes them itself
        return self._missing(phase, view, batched(self._order_of(first), self._size))

    def batch_images(self, phase: str, epoch: int, batch: Batch, most: int) -> Batch:
        """Return the first pictures of a batch of this epoch, as the network sees or saw them."""
        if batch.images.dim() == 4:
            return self._pictures.batch_images(phase, epoch, batch, most)
        places = batch.indices[:most].tolist()
        return self._pictures.load_now(phase, self._key_epoch((epoch - 1) % self._views), places)

    def _order_of(self, epoch: int) -> list[int]:
        return self._order(epoch) if self._order else list(range(len(self.dataset)))

    @property
    def _size(self) -> int:
        return self._pictures.batch_size

    def _missing(self, phase: str, view: int, batches: list[list[int]]) -> Iterator[Batch]:
        self._tell_others(view)
        lacking = self._lacking(self._store(view), batches)
        if lacking:
            yield from self._computed(phase, view, [batches[number] for number in lacking])
            self._tell_others(view)

    def _tell_others(self, view: int) -> None:
        """Let all ranks have the features that any of them has."""
        if self._group.size > 1:
            self._lost.update(*self._group.gather(self._lost))
            exchange(self._store(view), self._group)

    def _batches(self, phase: str, view: int, batches: list[list[int]]) -> Iterator[Batch]:
        store = self._store(view)
        lacking = self._lacking(store, [self._group.local_shard(places) for places in batches])
        computed = self._computed(phase, view, [batches[number] for number in lacking])
        to_compute = set(lacking)
        for number, places in enumerate(batches):
            if number in to_compute:
                yield next(computed)
            else:
                yield self._gathered(view, self._group.local_shard(places))
        next(computed, None)  # the last batch is kept when the next one is asked for

    def _computed(self, phase: str, view: int, batches: list[list[int]]) -> Iterator[Batch]:
        if not batches:
            return
        store = self._store(view)
        key_epoch = self._key_epoch(view)
        for batch in self._pictures.batches(phase, key_epoch, batches):
            self._net.captured = []
            try:
                yield batch
                self._keep(store, batch, self._net.captured)
            finally:
                self._net.captured = None

    @staticmethod
    def _key_epoch(view: int) -> int:
        return UNAUGMENTED_EPOCH if view == 0 else view + 1

    def _keep(self, store: FeatureStore, batch: Batch, captured: list[Tensor]) -> None:
        self._lost.update(place for place, _ in batch.failed)
        if len(batch.labels):
            # After a step that ran out of memory and was done again, the last rows are whole.
            rows = torch.cat(captured)[-len(batch.labels) :]
            store.write(batch.indices.tolist(), rows.float().cpu().numpy())

    def _lacking(self, store: FeatureStore, batches: list[list[int]]) -> list[int]:
        """Return the numbers of the batches that have a picture without its features."""
        if store.known.all():
            return []
        there = store.known.copy()
        there[list(self._lost)] = True
        return [number for number, places in enumerate(batches) if not there[places].all()]

    def _gathered(self, view: int, places: list[int]) -> Batch:
        kept = [place for place in places if place not in self._lost] if self._lost else places
        indices = torch.tensor(kept, dtype=torch.int64)
        return Batch(self._rows(view, indices), self._labels[indices], indices, [])

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


def is_deterministic(net: FrozenBackbone, pictures: Tensor) -> bool:
    """Whether the frozen network gives the same features (N, F) for the same pictures twice.

    Dropout, stochastic depth or BatchNorm that don't heed eval mode are noticed. The tolerance is
    for GPU kernels, whose sums may differ in the last bits.
    """
    found = []
    for _ in range(2):
        net.captured = []
        with torch.inference_mode():
            net(pictures)
        found.append(torch.cat(net.captured).float() if net.captured else torch.empty(0))
    net.captured = None
    return found[0].dim() == 2 and torch.allclose(found[0], found[1], rtol=1e-2, atol=1e-3)


def weights_digest(model: nn.Module, but: Container[str]) -> str:
    """Return a hash of a model's tensors, those named in `but` left out."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        if name not in but:
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def feature_cache_name(**depends_on: object) -> str:
    """Return a folder name that differs when anything that the features depend on does."""
    text = json.dumps(depends_on, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
