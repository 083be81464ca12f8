"""Mixup and CutMix: training pictures and their labels mixed in pairs, by timm."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from timm.data import Mixup
from torch import Tensor

from core.common.seeds import derive_seed
from core.config.schema import FullConfig

Normalise = Callable[[Tensor], Tensor]


class BatchMixer:
    """Mixes the batches of a phase as timm's `Mixup` does in its mode `batch`: the first picture
    with the last, the second with the last but one, all in the same ratio.

    mixup: Zhang et al., 2018; CutMix: Yun et al., 2019. With both, each batch gets one of them.
    """

    def __init__(self, config: FullConfig, classes: int, normalise: Normalise) -> None:
        """`normalise` makes of pictures what the network takes, as float32 of their own."""
        self._normalise = normalise
        # Smoothing comes with the loss, where it is without mixing too.
        self._mixup = Mixup(config.mixup, config.cutmix, label_smoothing=0.0, num_classes=classes)

    def __call__(self, images: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Return pictures (N, C, H, W), normalize, and targets (N, classes) that add up to 1.
        `images` and `labels` (N,) are left as they are; the mixture depends on `seed` and on the
        batch alone."""
        images = self._normalise(images)
        middle, is_odd = len(images) // 2, len(images) % 2 == 1
        if is_odd:
            # timm wants an even batch: the picture in the middle is its own partner.
            images = torch.cat([images[: middle + 1], images[middle:]])
            labels = torch.cat([labels[: middle + 1], labels[middle:]])
        with _numpy_seeded(derive_seed(seed, "mix")):
            images, targets = self._mixup(images, labels)
        if is_odd:
            images = torch.cat([images[:middle], images[middle + 1 :]])
            targets = torch.cat([targets[:middle], targets[middle + 1 :]])
        return images, targets


def make_mixup(config: FullConfig, classes: int, normalise: Normalise) -> BatchMixer | None:
    """Return what mixes the batches of phase full; None where nothing does."""
    return BatchMixer(config, classes, normalise) if uses_mixup(config) else None


def uses_mixup(config: FullConfig) -> bool:
    """Whether phase full mixes pictures."""
    return bool(config.mixup or config.cutmix)


@contextmanager
def _numpy_seeded(number: int) -> Iterator[None]:
    """Let numpy's global stream, from which timm draws, begin at a number, and go on afterwards
    as if nothing had been drawn."""
    before = np.random.get_state()
    np.random.seed(number & 0xFFFFFFFF)
    try:
        yield
    finally:
        np.random.set_state(before)
