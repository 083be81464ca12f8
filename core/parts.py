"""A batch through the model in parts, where the device's memory doesn't hold it at once."""

from collections.abc import Callable

import torch
from torch import Tensor

from core.data.dataset import Batch
from core.device import Compute
from core.metrics import cross_entropy, hits

Net = Callable[[Tensor], Tensor]


def backward(net: Net, compute: Compute, batch: Batch, size: int) -> tuple[Tensor, Tensor]:
    """Add up the gradient of a batch's mean loss, `size` pictures at a time.

    Returns the loss () and the number of hits (), both on the device. Raises
    torch.cuda.OutOfMemoryError when even the parts are too large.
    """
    count = len(batch.labels)
    losses, right = [], []
    labels = batch.labels.to(compute.device, non_blocking=True)
    for first in range(0, count, size):
        part = slice(first, first + size)
        with compute.autocast():
            output = net(compute.place_images(batch.images[part]))
        loss = cross_entropy(output, labels[part])
        if len(output) < count:
            loss = loss * (len(output) / count)
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
        right.append(hits(output.detach(), labels[part]))
    if len(losses) == 1:
        return losses[0], right[0]
    return torch.stack(losses).sum(), torch.stack(right).sum()


@torch.inference_mode()
def forward(net: Net, compute: Compute, images: Tensor, size: int) -> Tensor:
    """Return the logits (N, classes) of pictures (N, C, H, W) or features, `size` at a time.

    Raises torch.cuda.OutOfMemoryError when even the parts are too large.
    """
    with compute.autocast():
        parts = [net(compute.place_images(part)) for part in torch.split(images, size)]
    return torch.cat(parts)
