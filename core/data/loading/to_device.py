"""Batches on the device that computes with them."""

from collections.abc import Iterable, Iterator

import torch

from core.data.loading.dataset import Batch


def on_device(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """Yield batches with pictures and labels on the device.

    A GPU gets them over a stream of their own: as nothing in a step waits for it, a batch is
    copied while the network still works on the one before. The pictures lie in pinned memory.
    """
    if device.type != "cuda":
        yield from batches
        return
    copies = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    for batch in batches:
        with torch.cuda.stream(copies):
            images = batch.images.to(device, non_blocking=True)
            labels = batch.labels.to(device, non_blocking=True)
        compute = torch.cuda.current_stream(device)
        compute.wait_stream(copies)
        # The allocator must not hand out this memory again before the computing is done with it.
        images.record_stream(compute)
        labels.record_stream(compute)
        yield batch._replace(images=images, labels=labels)
