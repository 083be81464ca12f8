"""Forward and backward passes of a batch, in micro-batches where memory is short."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from core.data.loading.dataset import Batch
from core.model.device import Compute
from core.training.features.frozen_backbone import FrozenBackbone
from core.training.loss_scaler import LossScaler
from core.training.metrics import count_hits
from core.training.phase_input import PhaseInput

Net = Callable[[Tensor], Tensor]


class ForwardResult(NamedTuple):
    """Results of a batch's forward pass, on the device."""

    loss: Tensor
    """Mean loss, ()."""
    logits: Tensor
    """(N, classes)."""
    labels: Tensor
    """(N,)."""


def backward(
    net: Net,
    phase_input: PhaseInput,
    batch: Batch,
    size: int,
    seed: int,
    weight: float = 1.0,
    scaler: LossScaler | None = None,
) -> ForwardResult:
    """Accumulate the gradient of a batch's mean loss times `weight`, in micro-batches of `size`.

    Mixup, CutMix and dropout depend on `seed` and the images; mixing applies to the whole batch
    before it is divided. With a `scaler` the gradient is that of the scaled loss. If `net` is
    in DistributedDataParallel, gradients are reduced with the last micro-batch. Raises
    torch.cuda.OutOfMemoryError if a micro-batch doesn't fit in memory.
    """
    count = batch.labels.shape[0]
    labels = batch.labels.to(phase_input.compute.device, non_blocking=True)
    images, targets = batch.images, labels
    if phase_input.mixer is not None:
        images, targets = phase_input.mixer(phase_input.compute.place_images(images), labels, seed)

    def step(
        inputs: Tensor, wanted: Tensor, indices: Tensor, share: float
    ) -> tuple[Tensor, Tensor]:
        phase_input.dropout.set(seed, indices, phase_input.compute.device)
        return _backward_micro_batch(net, phase_input, inputs, wanted, share, scaler)

    if count <= size:
        loss, logits = step(images, targets, batch.indices, weight)
        return ForwardResult(loss, logits, labels)
    losses, outputs = [], []
    divided = (torch.split(values, size) for values in (images, targets, batch.indices))
    micro_batches = list(zip(*divided, strict=True))
    for number, (inputs, wanted, indices) in enumerate(micro_batches, 1):
        share = weight * wanted.shape[0] / count
        with _no_sync(net, number < len(micro_batches)):
            loss, logits = step(inputs, wanted, indices, share)
        losses.append(loss)
        outputs.append(logits)
    return ForwardResult(torch.stack(losses).sum(), torch.cat(outputs), labels)


def local_step_sums(forwarded: ForwardResult | None, ranks: int, device: torch.device) -> Tensor:
    """Return this rank's part (3,) of a step's mean loss, top-1 hits and top-5 hits; the sum over
    all ranks is that of the global batch."""
    if forwarded is None:
        return torch.zeros(3, device=device)
    hits = count_hits(forwarded.logits, forwarded.labels)
    return torch.cat([forwarded.loss.reshape(1) / ranks, hits.to(forwarded.loss.dtype)])


def sync_gradients(net: Net, phase_input: PhaseInput, side: int) -> None:
    """Reduce the gradients that this rank has accumulated locally, or that it has none of.

    DistributedDataParallel reduces in a backward pass: this one is of a blank image (`side` x
    `side` pixels) with zero weight.
    """
    module = net.module if isinstance(net, DistributedDataParallel) else net
    if isinstance(module, FrozenBackbone):
        blank = torch.zeros(1, module.classifier.in_features)
    else:
        blank = torch.zeros(1, 3, side, side, dtype=torch.uint8)
    phase_input.dropout.clear()
    with _fixed_statistics(net), phase_input.compute.autocast():
        output = net(phase_input.compute.place_images(blank))
    (output.float().sum() * 0.0).backward()  # type: ignore[no-untyped-call]


@contextmanager
def _fixed_statistics(net: Net) -> Iterator[None]:
    """Use the running statistics of BatchNorm, which can't compute any of a single image."""
    assert isinstance(net, nn.Module)
    norms = [m for m in net.modules() if isinstance(m, _BatchNorm) and m.training]
    for norm in norms:
        norm.eval()
    try:
        yield
    finally:
        for norm in norms:
            norm.train()


def _no_sync(net: Net, enabled: bool) -> AbstractContextManager[object]:
    """Return DistributedDataParallel's `no_sync` context, in which gradients aren't reduced."""
    no_sync = getattr(net, "no_sync", None) if enabled else None
    return no_sync() if no_sync else nullcontext()


def _backward_micro_batch(
    net: Net,
    phase_input: PhaseInput,
    images: Tensor,
    targets: Tensor,
    weight: float,
    scaler: LossScaler | None,
) -> tuple[Tensor, Tensor]:
    statistics = _fixed_statistics(net) if images.shape[0] == 1 else nullcontext()
    with statistics, phase_input.compute.autocast():
        output = net(phase_input.compute.place_images(images))
    loss = phase_input.loss(output, targets)
    if weight != 1:
        loss = loss * weight
    (scaler.scale(loss) if scaler else loss).backward()  # type: ignore[no-untyped-call]
    return loss.detach(), output.detach()


@torch.inference_mode()
def forward(net: Net, compute: Compute, images: Tensor, size: int) -> Tensor:
    """Return the logits (N, classes) of images (N, C, H, W) or features (N, F), in micro-batches of
    `size`. Raises torch.cuda.OutOfMemoryError if a micro-batch doesn't fit in memory."""
    with compute.autocast():
        outputs = [net(compute.place_images(some)) for some in torch.split(images, size)]
    return torch.cat(outputs)
