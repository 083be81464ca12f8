"""Parts of the GPU benchmark without this program, each in its own process.

`python -m tests.benchmarks.gpu_loop JSON`; the last line of output is the result as JSON.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import timm
import torch
from timm.data import create_transform, resolve_data_config
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from core.common.cpu import usable_cores

_CLASSES = 20
_PEAK_SIDE = 8192
_BARE_SECONDS = 5.0
Asked = dict[str, Any]


class TunedStep:
    """A training step in bf16: channels_last, fused optimizer, no synchronization with the GPU."""

    def __init__(self, asked: Asked, classes: int = _CLASSES) -> None:
        self.device = torch.device(asked["device"])
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
        model = timm.create_model(asked["model"], num_classes=classes)
        self.model = model.to(self.device, memory_format=torch.channels_last).train()
        self.parameters = list(self.model.parameters())
        self.optimizer = optim.AdamW(self.parameters, lr=1e-4, weight_decay=1e-4, fused=True)
        self.loss_sum = torch.zeros((), device=self.device)

    def __call__(self, images: Tensor, labels: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            logits = self.model(images)
        loss = nn.functional.cross_entropy(logits.float(), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.loss_sum += loss.detach()

    def wait(self) -> None:
        """Wait until the device has finished."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def peak(asked: Asked) -> Asked:
    """Return the highest rate of a large matrix product in bf16."""
    cuda = asked["device"] == "cuda"
    side = _PEAK_SIDE if cuda else 512
    a, b = (torch.randn(side, side, device=asked["device"], dtype=torch.bfloat16) for _ in "ab")
    rates = []
    for _ in range(10):
        began = time.perf_counter()
        for _ in range(20):
            a @ b
        if cuda:
            torch.cuda.synchronize()
        rates.append(20 * 2 * side**3 / (time.perf_counter() - began))
    return {"flops_per_second": max(rates)}


def flops(asked: Asked) -> Asked:
    """Return the floating point operations of a training step on one image."""
    model = timm.create_model(asked["model"], num_classes=_CLASSES)
    with FlopCounterMode(display=False) as counter:
        model(torch.randn(1, 3, asked["size"], asked["size"])).sum().backward()
    return {"flops": counter.get_total_flops()}


def bare(asked: Asked) -> Asked:
    """Repeat one batch on the device."""
    step, batch, size = TunedStep(asked), asked["batch"], asked["size"]
    images = torch.randn(batch, 3, size, size, device=step.device)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.randint(_CLASSES, (batch,), device=step.device)
    for _ in range(5):
        step(images, labels)
    step.wait()
    begin, steps = time.time(), 0
    while time.time() - begin < _BARE_SECONDS:
        for _ in range(5):
            step(images, labels)
        steps += 5
        step.wait()
    end = time.time()
    return {"images_per_second": steps * batch / (end - begin), "begin": begin, "end": end}


def tuned(asked: Asked) -> Asked:
    """Train epochs over photos: persistent workers, pinned uint8 batches, prefetching."""
    photos = ImageFolder(str(Path(asked["data"], "train")))
    step = TunedStep(asked, len(photos.classes))
    loader, normalize = _loader(asked, photos, step)
    found: list[Asked] = []
    for _ in range(asked["epochs"]):
        begin, waited, seen = time.time(), 0.0, 0
        batches = _ahead(loader, step.device)
        while True:
            asked_at = time.perf_counter()
            batch = next(batches, None)
            waited += time.perf_counter() - asked_at
            if batch is None:
                break
            step(normalize(batch[0]), batch[1])
            seen += len(batch[1])
        step.wait()
        end = time.time()
        rates = {"images_per_second": seen / (end - begin), "data_wait": waited / (end - begin)}
        found.append({**rates, "begin": begin, "end": end})
    return {**found[-1], "first_epoch": found[0]["images_per_second"]}


def _loader(
    asked: Asked, photos: ImageFolder, step: TunedStep
) -> tuple[DataLoader, Callable[[Tensor], Tensor]]:
    about = resolve_data_config({}, model=step.model)
    side = asked["size"]
    # `create_transform` without its last two steps, which run on the device.
    whole = create_transform(
        (3, side, side),
        is_training=True,
        interpolation=about["interpolation"],
        scale=(0.35, 1.0),
        color_jitter=0.4,
    )
    photos.transform = v2.Compose([*whole.transforms[:-2], v2.PILToTensor()])
    cuda = step.device.type == "cuda"
    loader = DataLoader(
        photos,
        asked["batch"],
        shuffle=True,
        num_workers=usable_cores(),
        pin_memory=cuda,
        persistent_workers=True,
        prefetch_factor=4,
        drop_last=True,
    )
    mean, std = (
        255 * torch.tensor(about[key], device=step.device).view(1, 3, 1, 1)
        for key in ("mean", "std")
    )

    def normalize(images: Tensor) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        return (images.float() - mean) / std

    return loader, normalize


def _ahead(loader: DataLoader, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches on the device and prefetch the next one."""
    ready = None
    for images, labels in loader:
        placed = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        if ready is not None:
            yield ready
        ready = placed
    if ready is not None:
        yield ready


PARTS = {"peak": peak, "flops": flops, "bare": bare, "tuned": tuned}

if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    try:
        told = PARTS[asked["kind"]](asked)
    except torch.cuda.OutOfMemoryError:
        told = {"error": "out of memory"}
    print(json.dumps(told))
