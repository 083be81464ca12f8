"""Pictures as tensors, with randomness keyed by their place in the run."""

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from core.common.errors import DataError
from core.common.seeds import derive_seed
from core.data.decode import WHITE, UnreadableImage, read_rgb
from core.data.image_cache import ImageCache
from core.data.split import DataPlan
from core.data.storage import mapped, to_decode

Transform = Callable[[Image.Image], Tensor]


UNAUGMENTED_EPOCH = 0
"""The epoch of a key whose picture isn't augmented but gets the plain transform."""


class SampleKey(NamedTuple):
    """Which picture, and for which pass over the data."""

    phase: str
    epoch: int
    """From 1, or UNAUGMENTED_EPOCH."""
    place: int
    time: int = 0
    """How often the pass has had the picture before: one that is drawn again is varied anew."""


class Sample(NamedTuple):
    """One picture (C, H, W), or the reason why there is none."""

    image: Tensor | None
    label: int
    place: int
    error: str = ""


class Batch(NamedTuple):
    """Pictures that could be read, in order, and those that could not."""

    images: Tensor
    """(N, C, H, W), uint8, or float32 and normalised; or (N, F), the features of a frozen
    backbone."""
    labels: Tensor
    """(N,), int64."""
    indices: Tensor
    """(N,), int64: places in the data set."""
    failed: list[tuple[int, str]]
    """Location and reason of each picture left out."""


class LoaderError(RuntimeError):
    """Pictures can't be read on, though they may be whole; the message says why."""


class ImageUnavailable(LoaderError):
    """A picture that lies elsewhere can't be fetched: to leave it out would train on less."""

    def __init__(self, message: str) -> None:
        # From a worker it comes with that one's traceback before the message.
        super().__init__(message.rpartition(f"{type(self).__name__}: ")[2].strip())


class ImageDataset(Dataset[Sample]):
    """One side of the split with its transform.

    A sample depends on the seed, its key and its file alone: not on the worker that makes it nor
    on what was made before. Validation transforms draw nothing, so their key doesn't matter.
    """

    def __init__(
        self,
        plan: DataPlan,
        part: str,
        transform: Transform,
        seed: int,
        plain: Transform | None = None,
        pictures: ImageCache | None = None,
        background: str = WHITE,
    ) -> None:
        """`plain` is what a key of UNAUGMENTED_EPOCH gets in place of `transform`; with `pictures` the
        files are read through that. Transparent ones are laid on `background`."""
        self.pictures = pictures
        self.background = background
        members = plan.train if part == "train" else plan.val
        label_of = {name: label for label, name in enumerate(plan.classes)}
        self.classes = len(plan.classes)
        self.root = plan.root
        self.paths = [p.path for p in members]
        self.labels = [label_of[p.label] for p in members]
        self.contents = [p.sha256 for p in members]
        self.transform = transform
        self.plain = plain or transform
        self._seed = seed

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, sample: SampleKey) -> Sample:
        return self._sample(sample, self._attempt(sample.place))

    def __getitems__(self, samples: Sequence[SampleKey]) -> list[Sample]:
        """Return the samples of a batch: pictures from elsewhere are fetched side by side."""
        found = mapped(self.root, self._attempt, [sample.place for sample in samples])
        return [self._sample(sample, one) for sample, one in zip(samples, found, strict=True)]

    def _attempt(self, place: int) -> Image.Image | UnreadableImage:
        try:
            return self._read(place)
        except UnreadableImage as error:
            return error

    def _sample(self, sample: SampleKey, picture: Image.Image | UnreadableImage) -> Sample:
        label = self.labels[sample.place]
        if isinstance(picture, UnreadableImage):
            return Sample(None, label, sample.place, str(picture))
        if sample.epoch == UNAUGMENTED_EPOCH:
            return Sample(self.plain(picture), label, sample.place)
        again = sample[3:] if sample.time else ()
        _seed_everything(derive_seed(self._seed, "augment", *sample[:3], *again))
        return Sample(self.transform(picture), label, sample.place)

    def _read(self, place: int) -> Image.Image:
        file, content = self.root / self.paths[place], self.contents[place]
        try:
            if self.pictures:
                return self.pictures.read(file, content)
            return read_rgb(to_decode(file, content), background=self.background)
        except DataError as error:
            raise ImageUnavailable(str(error)) from None


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack the samples that could be read; the others are named, never replaced."""
    whole = [s for s in samples if s.image is not None]
    images = [s.image for s in whole if s.image is not None]
    return Batch(
        images=torch.stack(images) if images else torch.empty(0),
        labels=torch.tensor([s.label for s in whole], dtype=torch.int64),
        indices=torch.tensor([s.place for s in whole], dtype=torch.int64),
        failed=[(s.place, s.error) for s in samples if s.image is None],
    )


def _seed_everything(number: int) -> None:
    # Transforms of timm and torchvision draw from all three generators.
    random.seed(number)
    np.random.seed(number & 0xFFFFFFFF)
    torch.default_generator.manual_seed(number)  # pictures are made on the CPU
