"""Dataset of images as tensors, with augmentation seeded per sample."""

import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from core.common.errors import DataError
from core.common.seeds import derive_seed
from core.common.text import printable
from core.data.decode import WHITE, UnreadableImage, read_rgb
from core.data.filesystems import WAITS
from core.data.image_cache import ImageCache
from core.data.sources import source_of
from core.data.split import DataPlan

Transform = Callable[[Image.Image], Tensor]

UNAUGMENTED_EPOCH = 0
"""Epoch in a SampleKey that selects the validation transform instead of augmentation."""


class SampleKey(NamedTuple):
    """Identifies a sample: image and epoch determine the augmentation."""

    phase: str
    epoch: int
    """From 1, or UNAUGMENTED_EPOCH."""
    sample_index: int
    repeat: int = 0
    """How often the image occurred earlier in the epoch: each repeat is augmented differently."""


class Sample(NamedTuple):
    """An image (C, H, W) with its label, or the reason why it can't be read."""

    image: Tensor | None
    label: int
    sample_index: int
    error: str = ""


class Batch(NamedTuple):
    """The readable samples of a batch in order, and the unreadable ones."""

    images: Tensor
    """(N, C, H, W), uint8, or float32 and normalized; or (N, F) features of a frozen backbone."""
    labels: Tensor
    """(N,), int64."""
    indices: Tensor
    """(N,), int64: indices in the dataset."""
    failed: list[tuple[int, str]]
    """Index and reason of each unreadable image."""


class LoaderError(RuntimeError):
    """Loading can't continue, though the images may be intact; the message is the reason."""


class ImageUnavailable(LoaderError):
    """An image can't be read, though it may be intact: its storage or server doesn't deliver it.

    Skipping it would train on less data, and validate on other images than before.
    """

    def __init__(self, message: str) -> None:
        # From a worker process, the message arrives with a traceback in front.
        super().__init__(message.rpartition(f"{type(self).__name__}: ")[2].strip())


class ImageDataset(Dataset[Sample]):
    """Images of one split with their transform.

    A sample depends only on the seed, its key and its file, not on the worker that loads it or on
    earlier samples. Validation transforms use no random numbers, so their key has no effect.
    """

    def __init__(
        self,
        plan: DataPlan,
        split: str,
        transform: Transform,
        seed: int,
        *,
        plain: Transform | None = None,
        image_cache: ImageCache | None = None,
        background: str = WHITE,
        waits: Sequence[float] = WAITS,
    ) -> None:
        """`waits` are the seconds between attempts to read a local image whose storage fails.
        `plain` replaces `transform` in UNAUGMENTED_EPOCH. Images are read through `image_cache`
        if given; transparent ones are composited on `background`."""
        self.image_cache = image_cache
        self.background = background
        self.value_ranges = plan.value_ranges
        images = plan.train if split == "train" else plan.val
        label_of = {name: label for label, name in enumerate(plan.classes)}
        self.classes = len(plan.classes)
        self.root = plan.root
        self.paths = [image.path for image in images]
        self.labels = [label_of[image.label] for image in images]
        self.hashes = [image.sha256 for image in images]
        self.transform = transform
        self.plain = plain or transform
        self._seed = seed
        self._waits = waits

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key: SampleKey) -> Sample:
        return self._sample(key, self._try_read(key.sample_index))

    def __getitems__(self, keys: Sequence[SampleKey]) -> list[Sample]:
        """Return the samples of a batch; remote images are fetched concurrently."""
        indices = [key.sample_index for key in keys]
        images = source_of(self.root).map(self._try_read, indices)
        return [self._sample(key, image) for key, image in zip(keys, images, strict=True)]

    def _try_read(self, index: int) -> Image.Image | UnreadableImage:
        for wait in (*self._waits, None):
            try:
                return self._read(index)
            except UnreadableImage as error:
                if not error.may_be_intact:
                    return error
                reason = str(error)
            if wait is None or self._is_deleted(index):
                break
            time.sleep(wait)
        shown = printable(f"{self.root / self.paths[index]}")
        raise ImageUnavailable(
            f"{shown} can't be read: {reason}; resume the run once it is readable again, or with "
            "--accept-data-changes"
        )

    def _is_deleted(self, index: int) -> bool:
        """Return whether the image alone is gone, and not the folder that it was in."""
        file = Path(os.fspath(self.root / self.paths[index]))
        return file.parent.is_dir() and not os.path.lexists(file)

    def _sample(self, key: SampleKey, image: Image.Image | UnreadableImage) -> Sample:
        label = self.labels[key.sample_index]
        if isinstance(image, UnreadableImage):
            return Sample(None, label, key.sample_index, str(image))
        if key.epoch == UNAUGMENTED_EPOCH:
            return Sample(self.plain(image), label, key.sample_index)
        repeat = (key.repeat,) if key.repeat else ()
        _seed_generators(derive_seed(self._seed, "augment", *key[:3], *repeat))
        return Sample(self.transform(image), label, key.sample_index)

    def _read(self, index: int) -> Image.Image:
        file, sha256 = self.root / self.paths[index], self.hashes[index]
        try:
            if self.image_cache:
                return self.image_cache.read(file, sha256)
            source = source_of(file).open(file, sha256)
            return read_rgb(source, background=self.background, ranges=self.value_ranges)
        except DataError as error:
            raise ImageUnavailable(str(error)) from None


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack the readable samples; unreadable ones are listed in `failed`, never replaced."""
    readable = [sample for sample in samples if sample.image is not None]
    images = [sample.image for sample in readable if sample.image is not None]
    return Batch(
        images=torch.stack(images) if images else torch.empty(0),
        labels=torch.tensor([sample.label for sample in readable], dtype=torch.int64),
        indices=torch.tensor([sample.sample_index for sample in readable], dtype=torch.int64),
        failed=[(sample.sample_index, sample.error) for sample in samples if sample.image is None],
    )


def _seed_generators(seed: int) -> None:
    # Transforms of timm and torchvision use all three generators.
    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)
    torch.default_generator.manual_seed(seed)  # images are transformed on the CPU
