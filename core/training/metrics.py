"""Loss and accuracy over a pass: a step leaves its figures on the device, they are read later."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from core.distributed.process_group import ProcessGroup

TOP_K = 5
MAX_PENDING_LOGITS = 1 << 22
"""Logits that may wait on the device before they are looked at: 16 MB of them."""


@dataclass(frozen=True, slots=True)
class PassResult:
    """Means over the pictures of a pass; NaN where there were none."""

    loss: float
    top1: float
    top5: float
    count: int


class RunningMetrics:
    """Sums of loss and hits over the pictures of one pass, weighted by sample.

    Logits wait and are looked at together: that costs hardly more than looking at one batch.
    """

    def __init__(self) -> None:
        self._sums = [0.0, 0.0, 0.0, 0.0]
        self._losses: list[tuple[Tensor, int]] = []
        self._waiting: list[tuple[Tensor, Tensor]] = []
        self._values = 0

    def count(self, mean_loss: float, logits: Tensor, labels: Tensor) -> None:
        """Take in a batch whose mean loss is known, with its logits (N, classes) and labels (N,)
        as they lie on the device."""
        pictures = labels.shape[0]
        self._sums[0] += mean_loss * pictures
        self._sums[3] += pictures
        self._let_wait(logits, labels)

    def add_counts(self, mean_loss: float, pictures: float, top1: float, top5: float) -> None:
        """Take in a batch of which all is known: its mean loss and how many were right."""
        for place, value in enumerate((mean_loss * pictures, top1, top5, pictures)):
            self._sums[place] += value

    def add(self, mean_loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Take in a batch of which nobody has read anything yet: its mean loss () too is on the
        device."""
        self._losses.append((mean_loss, labels.shape[0]))
        self._let_wait(logits, labels)

    @property
    def sums(self) -> list[float]:
        """Sum of losses, top-1 hits, top-5 hits, pictures; this waits for the device."""
        self._settle()
        return list(self._sums)

    @sums.setter
    def sums(self, values: Iterable[float]) -> None:
        self._settle()
        self._sums = list(values)

    def result(self) -> PassResult:
        """Return the means so far; this waits for the device."""
        return means(self.sums)

    def global_result(self, group: ProcessGroup) -> PassResult:
        """Return the means so far over all ranks, which call this together."""
        return self.result()

    def _let_wait(self, logits: Tensor, labels: Tensor) -> None:
        self._waiting.append((logits, labels))
        self._values += logits.numel()
        if self._values > MAX_PENDING_LOGITS:
            self._settle()

    def _settle(self) -> None:
        losses, self._losses = self._losses, []
        waiting, self._waiting, self._values = self._waiting, [], 0
        if losses:
            read = torch.stack([loss for loss, _ in losses]).tolist()
            for loss, (_, pictures) in zip(read, losses, strict=True):
                self._sums[0] += loss * pictures
                self._sums[3] += pictures
        if waiting:
            logits = torch.cat([logits for logits, _ in waiting])
            labels = torch.cat([labels for _, labels in waiting])
            top = logits.topk(min(TOP_K, logits.shape[1]), dim=1).indices
            found = top == labels[:, None]
            self._look(logits, labels, top)
            top1, top5 = torch.stack([found[:, 0].sum(), found.sum()]).tolist()
            self._sums[1] += top1
            self._sums[2] += top5

    def _look(self, logits: Tensor, labels: Tensor, top: Tensor) -> None:
        """Take in what else is of interest, with the classes of the highest logits (N, k); waits
        for nothing."""


def summed(sums: Iterable[Sequence[float]]) -> list[float]:
    """Return the sums of several ranks as one."""
    return [sum(column) for column in zip(*sums, strict=True)]


def means(sums: Sequence[float]) -> PassResult:
    """Return what sums of losses, top-1 hits, top-5 hits and pictures come to."""
    loss, top1, top5, count = sums
    if not count:
        return PassResult(math.nan, math.nan, math.nan, 0)
    return PassResult(loss / count, top1 / count, top5 / count, int(count))


def hits(logits: Tensor, labels: Tensor) -> Tensor:
    """Return how many of logits (N, classes) are right, (2,): the highest one, one of the highest
    five; waits for nothing."""
    top = logits.topk(min(TOP_K, logits.shape[1]), dim=1).indices == labels[:, None]
    return torch.stack([top[:, 0].sum(), top.sum()])


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross entropy () of logits (N, classes), computed in float32."""
    return F.cross_entropy(logits.float(), labels)
