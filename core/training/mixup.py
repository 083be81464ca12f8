"""Mixup and CutMix of training batches, by timm."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from timm.data import Mixup
from torch import Tensor

from core.common.seeds import derive_seed
from core.config.phases_section import FullConfig

Normalize = Callable[[Tensor], Tensor]


class BatchMixer:
    """Mixes a batch like timm's `Mixup` in mode `batch`: the first image with the last, the second
    with the last but one and so on, all with one ratio.

    mixup: Zhang et al., 2018; CutMix: Yun et al., 2019. If both are enabled, each batch gets one.
    """

    def __init__(self, config: FullConfig, classes: int, normalize: Normalize) -> None:
        """`normalize` returns the normalized images in float32, in new memory."""
        self._normalize = normalize
        # Label smoothing is part of the loss, which also applies without mixing.
        self._mixup = Mixup(config.mixup, config.cutmix, label_smoothing=0.0, num_classes=classes)

    def __call__(self, images: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Return normalized images (N, C, H, W) and targets (N, classes), which sum to 1.

        `images` and `labels` (N,) are not changed. The result depends only on `seed` and the batch.
        """
        images = self._normalize(images)
        middle, is_odd = len(images) // 2, len(images) % 2 == 1
        if is_odd:
            # timm requires an even batch: duplicate the middle image, so that it mixes with itself.
            images = torch.cat([images[: middle + 1], images[middle:]])
            labels = torch.cat([labels[: middle + 1], labels[middle:]])
        with _numpy_seeded(derive_seed(seed, "mix")):
            images, targets = self._mixup(images, labels)
        if is_odd:
            images = torch.cat([images[:middle], images[middle + 1 :]])
            targets = torch.cat([targets[:middle], targets[middle + 1 :]])
        return images, targets


def make_mixup(config: FullConfig, classes: int, normalize: Normalize) -> BatchMixer | None:
    """Return the batch mixer of phase full, or None if mixup and CutMix are off."""
    return BatchMixer(config, classes, normalize) if uses_mixup(config) else None


def uses_mixup(config: FullConfig) -> bool:
    """Return whether phase full mixes images."""
    return bool(config.mixup or config.cutmix)


@contextmanager
def _numpy_seeded(number: int) -> Iterator[None]:
    """Seed numpy's global generator, which timm draws from, and restore its state afterwards."""
    before = np.random.get_state()
    np.random.seed(number & 0xFFFFFFFF)
    try:
        yield
    finally:
        np.random.set_state(before)
