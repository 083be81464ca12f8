"""Benchmark a network on its device: fastest precision and layout, largest batch that fits.

The weights are not changed, and no gradients are left.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from core.model.device import Compute
from core.model.normalize import NormalizedModel

_CALL_SECONDS = 0.1
_MAX_SECONDS = 3.0
_MIN_ROUNDS, _MAX_ROUNDS = 3, 8
_MAX_IMAGES_CPU, _MAX_IMAGES_GPU = 8, 32
_TRIAL_BATCHES = (2, 16)
_CLEARLY_FASTER = 1 / 1.1
_WORTH_16_BITS = 1 / 1.25

Call = Callable[[NormalizedModel, Tensor], None]
Timer = Callable[[Call, NormalizedModel, Compute, Tensor], float]


def fastest(seconds: Mapping[Compute, float]) -> Compute:
    """Return the option with the fewest seconds, or the first one, which is the default, unless
    another is clearly faster. 16 bits must gain more than another memory format."""
    default = next(iter(seconds))

    def is_worth_switching(option: Compute) -> bool:
        to_16_bits = default.precision == "fp32" != option.precision
        limit = _WORTH_16_BITS if to_16_bits else _CLEARLY_FASTER
        return seconds[option] < limit * seconds[default]

    return min(filter(is_worth_switching, seconds), key=seconds.__getitem__, default=default)


def time_call(call: Call, net: NormalizedModel, compute: Compute, images: Tensor) -> float:
    """Return the seconds that a call takes for images (N, C, H, W) that are already placed."""
    placed = compute.place_images(images)
    began = time.perf_counter()
    with compute.autocast():
        call(net, placed)
    if compute.device.type == "cuda":
        torch.cuda.synchronize(compute.device)
    return max(1e-9, time.perf_counter() - began)


def seconds_per_image(
    net: NormalizedModel,
    options: Sequence[Compute],
    side: int,
    training: bool,
    timer: Timer = time_call,
) -> dict[Compute, float]:
    """Return the seconds per image (`side` x `side` pixels) with each option; infinite if not even
    one image fits in memory. With `training` they include the gradient of all weights.

    The options take turns and the fastest round of each counts, because other processes may slow
    down any of them.
    """
    net.eval()
    net.requires_grad_(training)
    call = _train if training else _evaluate

    def measure(option: Compute, count: int) -> float:
        option.place_model(net)
        return timer(call, net, option, _random_images(count, side)) / count

    count = _MAX_IMAGES_GPU
    if options[0].device.type == "cpu":
        took = min(measure(options[0], 1) for _ in range(2))
        count = max(1, min(_MAX_IMAGES_CPU, int(_CALL_SECONDS / took)))
    found = dict.fromkeys(options, math.inf)
    began = time.perf_counter()
    for number in range(_MAX_ROUNDS):
        if number >= _MIN_ROUNDS and time.perf_counter() - began > _MAX_SECONDS:
            break
        for option in options:
            try:
                found[option] = min(found[option], measure(option, count))
            except torch.cuda.OutOfMemoryError:
                count = max(1, count // 2)
    net.zero_grad(set_to_none=True)
    return found


def peak_bytes(net: NormalizedModel, compute: Compute, side: int) -> Callable[[int], int]:
    """Return a function from a batch size to the peak GPU memory in bytes of its gradient.

    The function raises torch.cuda.OutOfMemoryError if the batch doesn't fit.
    """

    def measure(count: int) -> int:
        compute.place_model(net)
        net.eval()
        net.requires_grad_(True)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(compute.device)
        try:
            time_call(_train, net, compute, _random_images(count, side))
            return torch.cuda.max_memory_reserved(compute.device)
        finally:
            net.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()

    return measure


def largest_batch_that_fits(peak: Callable[[int], int], available: int, most: int) -> int:
    """Return the largest batch size up to `most` whose training needs at most `available` bytes.

    `peak` is as returned by `peak_bytes`. Two small batches give the memory per image; the size
    that follows is tried once. It is a multiple of 8 where possible, which suits tensor cores.
    """

    def needed(count: int) -> float:
        try:
            return peak(count)
        except torch.cuda.OutOfMemoryError:
            return math.inf

    small, large = (min(most, count) for count in _TRIAL_BATCHES)
    large_needs = needed(large)
    if large_needs > available:
        count = _smaller(large)
    else:
        per_image = max(1.0, (large_needs - needed(small)) / max(1, large - small))
        count = min(most, large + int((available - large_needs) / per_image)) // 8 * 8
        if count <= large:
            return large
    while count > 1 and needed(count) > available:
        count = _smaller(count)
    return max(1, count)


def _smaller(count: int) -> int:
    return count * 7 // 8 // 8 * 8 or count * 7 // 8


def _random_images(count: int, side: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=generator)


def _train(net: NormalizedModel, images: Tensor) -> None:
    loss = net(images).float().square().mean()
    loss.backward()


@torch.inference_mode()
def _evaluate(net: NormalizedModel, images: Tensor) -> None:
    net(images)
