"""Order of the training images in each epoch."""

from collections.abc import Sequence

import numpy as np

from core.common.seeds import derive_seed
from core.config.phases import HEAD
from core.config.schema import Config
from core.data.balance import balanced_probabilities


def epoch_order(count: int, seed: int, phase: str, epoch: int) -> list[int]:
    """Return a permutation of `count` training images for one epoch."""
    generator = np.random.default_rng(derive_seed(seed, "order", phase, epoch))
    return [int(i) for i in generator.permutation(count)]


class EpochOrder:
    """Indices of the training images of each epoch: a permutation, or with `data.balance: sampler`
    a draw with replacement. They depend only on seed, phase and epoch."""

    def __init__(self, config: Config, labels: Sequence[int]) -> None:
        """`labels` are those of the training images."""
        self._seed = config.seed
        self._count = len(labels)
        # Features of phase head are computed in its first epochs, which must visit every image.
        self._complete_epochs = {HEAD: config.phases.head.views}
        self._probabilities = (
            balanced_probabilities(labels) if config.data.balance == "sampler" else None
        )

    def __call__(self, phase: str, epoch: int) -> list[int]:
        """Return the indices of an epoch (from 1) of a phase."""
        if self._probabilities is None or epoch <= self._complete_epochs.get(phase, 0):
            return epoch_order(self._count, self._seed, phase, epoch)
        generator = np.random.default_rng(derive_seed(self._seed, "draw", phase, epoch))
        drawn = generator.choice(self._count, self._count, p=self._probabilities)
        return [int(i) for i in drawn]
