"""A batch through the model in parts, where the device's memory doesn't hold it at once."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from core.data.loading.dataset import Batch
from core.model.device import Compute
from core.training.features.loader import FrozenBackbone, PhaseInput
from core.training.metrics import hits

Net = Callable[[Tensor], Tensor]


class ForwardResult(NamedTuple):
    """A batch that went through the network, on the device."""

    loss: Tensor
    """(), the mean."""
    logits: Tensor
    """(N, classes)."""
    labels: Tensor
    """(N,)."""


def backward(
    net: Net,
    feed: PhaseInput,
    batch: Batch,
    size: int,
    seed: int,
    weight: float = 1.0,
) -> ForwardResult:
    """Add up the gradient of a batch's mean loss times `weight`, `size` pictures at a time. Where
    pictures are mixed, that depends on `seed` and is done before they are parted.

    Where `net` is the feed's as several ranks train it, the gradients of all of them are put
    together with the last part. Raises torch.cuda.OutOfMemoryError when even the parts are too
    large.
    """
    count = batch.labels.shape[0]
    labels = batch.labels.to(feed.compute.device, non_blocking=True)
    images, targets = batch.images, labels
    if feed.mix is not None:
        images, targets = feed.mix(feed.compute.place_images(images), labels, seed)
    if count <= size:
        return ForwardResult(*_backward_micro_batch(net, feed, images, targets, weight), labels)
    losses, logits = [], []
    parts = list(zip(torch.split(images, size), torch.split(targets, size), strict=True))
    for number, (part, wanted) in enumerate(parts, 1):
        share = weight * wanted.shape[0] / count
        with _kept(net, number < len(parts)):
            loss, output = _backward_micro_batch(net, feed, part, wanted, share)
        losses.append(loss)
        logits.append(output)
    return ForwardResult(torch.stack(losses).sum(), torch.cat(logits), labels)


def figures(forwarded: ForwardResult | None, ranks: int, device: torch.device) -> Tensor:
    """Return a rank's part (3,) of a step's mean loss and of the hits of the highest logit and of
    the highest five: what all of them add up to is that of the global batch."""
    if forwarded is None:
        return torch.zeros(3, device=device)
    right = hits(forwarded.logits, forwarded.labels)
    return torch.cat([forwarded.loss.reshape(1) / ranks, right.to(forwarded.loss.dtype)])


def sync_gradients(net: Net, feed: PhaseInput, side: int) -> None:
    """Put the gradients of all ranks together that this one has added up alone, or has none of:
    with those of a picture (`side` pixels square) that counts nothing."""
    module = net.module if isinstance(net, DistributedDataParallel) else net
    if isinstance(module, FrozenBackbone):
        blank = torch.zeros(1, module.classifier.in_features)
    else:
        blank = torch.zeros(1, 3, side, side, dtype=torch.uint8)
    # A single blank picture is no batch to take statistics of.
    assert isinstance(module, nn.Module)
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.training]
    for norm in norms:
        norm.eval()
    with feed.compute.autocast():
        output = net(feed.compute.place_images(blank))
    (output.float().sum() * 0.0).backward()  # type: ignore[no-untyped-call]
    for norm in norms:
        norm.train()


def _kept(net: Net, here: bool) -> AbstractContextManager[object]:
    """Return the context in which gradients stay on this rank, if they are to."""
    no_sync = getattr(net, "no_sync", None) if here else None
    return no_sync() if no_sync else nullcontext()


def _backward_micro_batch(
    net: Net, feed: PhaseInput, images: Tensor, targets: Tensor, share: float
) -> tuple[Tensor, Tensor]:
    with feed.compute.autocast():
        output = net(feed.compute.place_images(images))
    loss = feed.loss(output, targets)
    if share != 1:
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
