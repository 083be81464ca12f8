"""Input of a training phase: the network as it is called, its loss and its batches."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

from core.data.loading.dataset import Batch, ImageDataset
from core.model.device import Compute
from core.model.keyed_dropout import DropoutKeys
from core.model.normalize import NormalizedModel
from core.training.losses import TrainingLoss
from core.training.mixup import BatchMixer


class BatchSource(Protocol):
    """Source of a phase's batches: images, or cached features of them."""

    dataset: ImageDataset
    steps: int

    def epoch(
        self, phase: str, epoch: int, order: list[int] | None = None, done: int = 0
    ) -> Iterator[Batch]:
        """Yield the batches of one pass except the first `done`."""

    def missing(self, phase: str, epoch: int) -> Iterator[Batch]:
        """Yield the images that the network must compute before this epoch can start."""

    def batch_images(self, phase: str, epoch: int, batch: Batch, most: int) -> Batch:
        """Return the first `most` images of a batch of this epoch, as the network sees them."""


@dataclass(frozen=True, slots=True)
class PhaseInput:
    """What a phase trains on, and how it computes."""

    net: Callable[[Tensor], Tensor]
    """The network as it is called in training, from the inputs of a batch to logits."""
    train: BatchSource
    val: BatchSource
    compute: Compute
    order: Callable[[str, int], list[int]]
    """Indices of the training images of a phase's epoch, in order."""
    loss: TrainingLoss
    image_net: NormalizedModel
    """The network from images to logits, not compiled."""
    dropout: DropoutKeys = field(default_factory=DropoutKeys)
    """Keys of the network's dropout, set before each forward pass."""
    mixer: BatchMixer | None = None
    """Mixup and CutMix of the training batches."""
