"""A batch through the model in parts, where the device's memory doesn't hold it at once."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from core.data.dataset import Batch
from core.device import Compute
from core.features import Feed

Net = Callable[[Tensor], Tensor]


class Passed(NamedTuple):
    """A batch that went through the network, on the device."""

    loss: Tensor
    """(), the mean."""
    logits: Tensor
    """(N, classes)."""
    labels: Tensor
    """(N,)."""


def backward(feed: Feed, batch: Batch, size: int, seed: int) -> Passed:
    """Add up the gradient of a batch's mean loss, `size` pictures at a time. Where pictures are
    mixed, that depends on `seed` and is done before they are parted.

    Raises torch.cuda.OutOfMemoryError when even the parts are too large.
    """
    count = batch.labels.shape[0]
    labels = batch.labels.to(feed.compute.device, non_blocking=True)
    images, targets = batch.images, labels
    if feed.mix is not None:
        images, targets = feed.mix(feed.compute.place_images(images), labels, seed)
    if count <= size:
        return Passed(*_backward_part(feed, images, targets, 1.0), labels)
    losses, logits = [], []
    both = zip(torch.split(images, size), torch.split(targets, size), strict=True)
    for part, wanted in both:
        loss, output = _backward_part(feed, part, wanted, wanted.shape[0] / count)
        losses.append(loss)
        logits.append(output)
    return Passed(torch.stack(losses).sum(), torch.cat(logits), labels)


def _backward_part(
    feed: Feed, images: Tensor, targets: Tensor, share: float
) -> tuple[Tensor, Tensor]:
    with feed.compute.autocast():
        output = feed.net(feed.compute.place_images(images))
    loss = feed.loss(output, targets)
    if share < 1:
        loss = loss * share
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach(), output.detach()


@torch.inference_mode()
def forward(net: Net, compute: Compute, images: Tensor, size: int) -> Tensor:
    """Return the logits (N, classes) of pictures (N, C, H, W) or features, `size` at a time.

    Raises torch.cuda.OutOfMemoryError when even the parts are too large.
    """
    with compute.autocast():
        parts = [net(compute.place_images(part)) for part in torch.split(images, size)]
    return torch.cat(parts)
