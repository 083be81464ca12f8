"""Loss and accuracy over a pass, summed on the device so that a step needs no look at them."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class PassResult:
    """Means over the pictures of a pass; NaN where there were none."""

    loss: float
    top1: float
    top5: float
    count: int


class RunningMetrics:
    """Sums of loss and hits over the pictures of one pass, weighted by sample."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.sums = torch.zeros(4, device=device, dtype=dtype)
        """Sum of losses, top-1 hits, top-5 hits, pictures."""

    def add(
        self, mean_loss: Tensor, logits: Tensor, labels: Tensor, counts: Tensor | None = None
    ) -> None:
        """Take in a batch: its mean loss (), logits (N, classes) and labels (N,). Where `counts`
        () is false it is left out."""
        logits, loss = logits.detach(), mean_loss.detach()
        top = logits.topk(min(5, logits.shape[1]), dim=1).indices
        hits = top == labels[:, None]
        dtype = self.sums.dtype
        batch = torch.stack(
            [
                loss.to(dtype) * len(labels),
                hits[:, 0].sum().to(dtype),
                hits.sum().to(dtype),
                torch.full((), len(labels), dtype=dtype, device=self.sums.device),
            ]
        )
        self.sums += batch if counts is None else torch.where(counts, batch, 0)

    def result(self) -> PassResult:
        """Return the means so far; this waits for the device."""
        loss, top1, top5, count = self.sums.tolist()
        if not count:
            return PassResult(float("nan"), float("nan"), float("nan"), 0)
        return PassResult(loss / count, top1 / count, top5 / count, int(count))


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross entropy () of logits (N, classes), computed in float32."""
    return F.cross_entropy(logits.float(), labels)
