"""Running loss and accuracy of a pass. Results stay on the device until they are read."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from core.distributed.process_group import ProcessGroup

TOP_K = 5
MAX_PENDING_LOGITS = 1 << 22
"""Logits that may be pending on the device: 16 MB in float32."""


@dataclass(frozen=True, slots=True)
class PassResult:
    """Means over the images of a pass; NaN without images."""

    loss: float
    top1: float
    top5: float
    count: int


class RunningMetrics:
    """Sums of loss and hits over the images of one pass, weighted by sample.

    Logits are kept and evaluated together, which costs hardly more than evaluating one batch.
    """

    def __init__(self) -> None:
        self._sums = [0.0, 0.0, 0.0, 0.0]
        self._losses: list[tuple[Tensor, int]] = []
        self._pending: list[tuple[Tensor, Tensor]] = []
        self._pending_logits = 0

    def add_batch(self, mean_loss: float, logits: Tensor, labels: Tensor) -> None:
        """Add a batch with a known mean loss; logits (N, classes) and labels (N,) are on the
        device."""
        images = labels.shape[0]
        self._sums[0] += mean_loss * images
        self._sums[3] += images
        self._defer(logits, labels)

    def add_counts(self, mean_loss: float, images: float, top1: float, top5: float) -> None:
        """Add a batch by its mean loss, its number of images, top-1 hits and top-5 hits."""
        for column, value in enumerate((mean_loss * images, top1, top5, images)):
            self._sums[column] += value

    def add(self, mean_loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a batch whose mean loss (), logits (N, classes) and labels (N,) are on the device."""
        self._losses.append((mean_loss, labels.shape[0]))
        self._defer(logits, labels)

    @property
    def sums(self) -> list[float]:
        """Sum of losses, top-1 hits, top-5 hits, images; synchronizes with the device."""
        self._settle()
        return list(self._sums)

    @sums.setter
    def sums(self, values: Iterable[float]) -> None:
        self._settle()
        self._sums = list(values)

    def result(self) -> PassResult:
        """Return the means so far; synchronizes with the device."""
        return means(self.sums)

    def global_result(self, group: ProcessGroup) -> PassResult:
        """Return the means so far over all ranks, which call this together."""
        return self.result()

    def _defer(self, logits: Tensor, labels: Tensor) -> None:
        self._pending.append((logits, labels))
        self._pending_logits += logits.numel()
        if self._pending_logits > MAX_PENDING_LOGITS:
            self._settle()

    def _settle(self) -> None:
        losses, self._losses = self._losses, []
        pending, self._pending, self._pending_logits = self._pending, [], 0
        if losses:
            values = torch.stack([loss for loss, _ in losses]).tolist()
            for loss, (_, images) in zip(values, losses, strict=True):
                self._sums[0] += loss * images
                self._sums[3] += images
        if pending:
            logits = torch.cat([logits for logits, _ in pending])
            labels = torch.cat([labels for _, labels in pending])
            top = logits.topk(min(TOP_K, logits.shape[1]), dim=1).indices
            found = top == labels[:, None]
            self.observe(logits, labels, top)
            top1, top5 = torch.stack([found[:, 0].sum(), found.sum()]).tolist()
            self._sums[1] += top1
            self._sums[2] += top5

    def observe(self, logits: Tensor, labels: Tensor, top: Tensor) -> None:
        """Process evaluated logits, with the classes of the highest ones (N, k), in a subclass;
        must not synchronize with the device."""


def summed(sums: Iterable[Sequence[float]]) -> list[float]:
    """Return the columnwise totals of the sums of several ranks."""
    return [sum(column) for column in zip(*sums, strict=True)]


def means(sums: Sequence[float]) -> PassResult:
    """Return the means for sums of losses, top-1 hits, top-5 hits and images."""
    loss, top1, top5, count = sums
    if not count:
        return PassResult(math.nan, math.nan, math.nan, 0)
    return PassResult(loss / count, top1 / count, top5 / count, int(count))


def count_hits(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the numbers of top-1 and top-5 hits (2,) of logits (N, classes), on the device."""
    top = logits.topk(min(TOP_K, logits.shape[1]), dim=1).indices == labels[:, None]
    return torch.stack([top[:, 0].sum(), top.sum()])


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross entropy () of logits (N, classes), computed in float32."""
    return F.cross_entropy(logits.float(), labels)
