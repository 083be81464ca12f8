"""Logits of the first images of a validation pass, for what needs more than the predictions."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.distributed.process_group import ProcessGroup
from core.training.temperature import fit_temperature

MAX_LOGITS = 1 << 21
"""8 MB in float32: all images up to 2,000 with 1,000 classes, 100,000 with 20."""


class KeptLogits:
    """Logits on the device, of the images with the lowest indices in the dataset."""

    def __init__(self) -> None:
        self._batches: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, logits: Tensor, labels: Tensor, indices: Tensor) -> None:
        """Add a batch: logits (N, classes) and labels (N,) on the device, indices (N,)."""
        most = MAX_LOGITS // logits.shape[1]
        if int(indices.max()) >= most:
            among_first = indices < most
            on_device = among_first.to(logits.device)
            logits, labels, indices = logits[on_device], labels[on_device], indices[among_first]
        self._batches.append((indices, labels, logits))

    def clear(self) -> None:
        """Forget everything."""
        self._batches.clear()

    def gather(self, group: ProcessGroup) -> None:
        """Add those of all other ranks, which call this together."""
        own = [column.cpu().numpy() for column in self._columns()] if self._batches else None
        parts: list[list[NDArray[np.float32]] | None] = group.gather(own)
        self._batches = [
            (tensors[0], tensors[1], tensors[2])
            for tensors in ([torch.from_numpy(array) for array in part] for part in parts if part)
        ]

    def temperature(self) -> float:
        """Return the temperature that calibrates the predictions best, 1 without images.

        Synchronizes with the device.
        """
        if not self._batches:
            return 1.0
        indices, labels, logits = self._columns()
        order = indices.argsort()  # so that the sums don't depend on the division among ranks
        return fit_temperature(logits[order.to(logits.device)], labels[order.to(labels.device)])

    def _columns(self) -> list[Tensor]:
        """Return indices (N,), labels (N,) and logits (N, classes)."""
        indices, labels, logits = zip(*self._batches, strict=True)
        return [
            torch.cat(indices),
            torch.cat(labels),
            torch.cat([some.detach().float() for some in logits]),
        ]
