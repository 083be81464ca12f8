"""Loss and accuracy over a pass: a step leaves its figures on the device, they are read later."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

TOP_K = 5


@dataclass(frozen=True, slots=True)
class PassResult:
    """Means over the pictures of a pass; NaN where there were none."""

    loss: float
    top1: float
    top5: float
    count: int


class RunningMetrics:
    """Sums of loss and hits over the pictures of one pass, weighted by sample."""

    def __init__(self) -> None:
        self.sums = [0.0, 0.0, 0.0, 0.0]
        """Sum of losses, top-1 hits, top-5 hits, pictures."""
        self._unread: list[tuple[Tensor, int]] = []

    def count(self, mean_loss: float, top1: float, top5: float, pictures: int) -> None:
        """Take in a batch by its figures: mean loss, and how many were hit."""
        loss_sum, top1_sum, top5_sum, count = self.sums
        self.sums = [
            loss_sum + mean_loss * pictures,
            top1_sum + top1,
            top5_sum + top5,
            count + pictures,
        ]

    def add(self, mean_loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Take in a batch that nobody has read yet: its mean loss (), logits (N, classes) and
        labels (N,)."""
        top = logits.topk(min(TOP_K, logits.shape[1]), dim=1).indices
        hits = top == labels[:, None]
        figures = torch.stack([mean_loss.float(), hits[:, 0].sum().float(), hits.sum().float()])
        self._unread.append((figures, len(labels)))

    def result(self) -> PassResult:
        """Return the means so far; this waits for the device."""
        unread, self._unread = self._unread, []
        if unread:
            read = torch.stack([figures for figures, _ in unread]).tolist()
            for (loss, top1, top5), (_, pictures) in zip(read, unread, strict=True):
                self.count(loss, top1, top5, pictures)
        loss, top1, top5, count = self.sums
        if not count:
            return PassResult(math.nan, math.nan, math.nan, 0)
        return PassResult(loss / count, top1 / count, top5 / count, int(count))


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross entropy () of logits (N, classes), computed in float32."""
    return F.cross_entropy(logits.float(), labels)


def hits(logits: Tensor, labels: Tensor) -> Tensor:
    """Return for how many of N pictures the largest logit is the label's: () float, on the
    device."""
    return (logits.argmax(dim=1) == labels).sum(dtype=torch.float32)
