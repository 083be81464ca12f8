"""A batch through the model in parts, where the device's memory doesn't hold it at once."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from core.data.dataset import Batch
from core.device import Compute
from core.metrics import cross_entropy

Net = Callable[[Tensor], Tensor]


class Passed(NamedTuple):
    """A batch that went through the network, on the device."""

    loss: Tensor
    """(), the mean."""
    logits: Tensor
    """(N, classes)."""
    labels: Tensor
    """(N,)."""


def backward(net: Net, compute: Compute, batch: Batch, size: int) -> Passed:
    """Add up the gradient of a batch's mean loss, `size` pictures at a time.

    Raises torch.cuda.OutOfMemoryError when even the parts are too large.
    """
    count = batch.labels.shape[0]
    labels = batch.labels.to(compute.device, non_blocking=True)
    if count <= size:
        return _backward_part(net, compute, batch.images, labels, 1.0)
    parts = []
    both = zip(torch.split(batch.images, size), torch.split(labels, size), strict=True)
    for images, wanted in both:
        share = wanted.shape[0] / count
        parts.append(_backward_part(net, compute, images, wanted, share))
    loss = torch.stack([part.loss for part in parts]).sum()
    return Passed(loss, torch.cat([part.logits for part in parts]), labels)


def _backward_part(
    net: Net, compute: Compute, images: Tensor, labels: Tensor, share: float
) -> Passed:
    with compute.autocast():
        output = net(compute.place_images(images))
    loss = cross_entropy(output, labels)
    if share < 1:
        loss = loss * share
    loss.backward()  # type: ignore[no-untyped-call]
    return Passed(loss.detach(), output.detach(), labels)


@torch.inference_mode()
def forward(net: Net, compute: Compute, images: Tensor, size: int) -> Tensor:
    """Return the logits (N, classes) of pictures (N, C, H, W) or features, `size` at a time.

    Raises torch.cuda.OutOfMemoryError when even the parts are too large.
    """
    with compute.autocast():
        parts = [net(compute.place_images(part)) for part in torch.split(images, size)]
    return torch.cat(parts)
