"""Which training pictures an epoch visits, and in which order."""

from collections.abc import Sequence

import numpy as np

from core.common.seeds import derive_seed
from core.config.schema import Config
from core.data.balance import balanced_probabilities


def epoch_order(count: int, seed: int, phase: str, epoch: int) -> list[int]:
    """Return the order in which `count` training pictures are visited in one epoch."""
    generator = np.random.default_rng(derive_seed(seed, "order", phase, epoch))
    return [int(i) for i in generator.permutation(count)]


class Order:
    """The places in the data set that each epoch visits: every one once, or with `data.balance:
    sampler` drawn anew. It depends on seed, phase and epoch alone."""

    def __init__(self, config: Config, labels: Sequence[int]) -> None:
        """`labels` are those of the training pictures."""
        self._seed = config.seed
        self._count = len(labels)
        # Features of phase head are computed in its first epochs: these must see every picture.
        self._whole = {"head": config.phases.head.views}
        self._chances = balanced_probabilities(labels) if config.data.balance == "sampler" else None

    def __call__(self, phase: str, epoch: int) -> list[int]:
        """Return the places that an epoch (from 1) of a phase visits."""
        if self._chances is None or epoch <= self._whole.get(phase, 0):
            return epoch_order(self._count, self._seed, phase, epoch)
        generator = np.random.default_rng(derive_seed(self._seed, "draw", phase, epoch))
        return [int(i) for i in generator.choice(self._count, self._count, p=self._chances)]
