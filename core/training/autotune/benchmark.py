"""Short trials of a network on its device: what is fastest, what fits. They leave no trace."""

import math
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from core.model.device import Compute
from core.model.normalize import NormalizedModel

_CALL_SECONDS = 0.1
_MOST_SECONDS = 3.0
_FEWEST_ROUNDS, _ROUNDS = 3, 8
_MOST_ON_A_CPU, _MOST_ON_A_GPU = 8, 32
_FEW = (2, 16)
_CLEARLY = 1 / 1.1
_WORTH_ITS_DIGITS = 1 / 1.25


def fastest(seconds: Mapping[Compute, float]) -> Compute:
    """Return the way with the fewest seconds; the first one, which is the usual, unless another
    is clearly faster. Half the digits must be worth more than another layout."""
    usual = next(iter(seconds))

    def is_worth_switching(way: Compute) -> bool:
        least = _WORTH_ITS_DIGITS if way.bf16 and not usual.bf16 else _CLEARLY
        return seconds[way] < least * seconds[usual]

    return min(filter(is_worth_switching, seconds), key=seconds.__getitem__, default=usual)


def seconds_per_image(
    net: NormalizedModel, ways: Sequence[Compute], side: int, training: bool
) -> dict[Compute, float]:
    """Return what a picture (`side` pixels square) takes in the network in each way; `training`
    with the gradient of all weights. The weights are not changed. Infinite where the memory holds
    none.

    The ways take turns, and the best of each counts: what else the machine does comes and goes.
    """
    net.eval()
    net.requires_grad_(training)
    call = _train if training else _evaluate

    def timed(way: Compute, count: int) -> float:
        way.place_model(net)
        return _timed(call, net, way, _pictures(count, side)) / count

    count = _MOST_ON_A_GPU
    if ways[0].device.type == "cpu":
        took = min(timed(ways[0], 1) for _ in range(2))
        count = max(1, min(_MOST_ON_A_CPU, int(_CALL_SECONDS / took)))
    found = dict.fromkeys(ways, math.inf)
    began = time.perf_counter()
    for number in range(_ROUNDS):
        if number >= _FEWEST_ROUNDS and time.perf_counter() - began > _MOST_SECONDS:
            break
        for way in ways:
            try:
                found[way] = min(found[way], timed(way, count))
            except torch.cuda.OutOfMemoryError:
                count = max(1, count // 2)
    net.zero_grad(set_to_none=True)
    return found


def peak_bytes(net: NormalizedModel, way: Compute, side: int) -> Callable[[int], int]:
    """Return a function that tells how many bytes of a GPU's memory the gradient of this many
    pictures needs; it raises torch.cuda.OutOfMemoryError where they don't fit."""

    def measured(count: int) -> int:
        way.place_model(net)
        net.eval()
        net.requires_grad_(True)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(way.device)
        try:
            _timed(_train, net, way, _pictures(count, side))
            return torch.cuda.max_memory_reserved(way.device)
        finally:
            net.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()

    return measured


def largest_batch_that_fits(peak: Callable[[int], int], room: int, most: int) -> int:
    """Return the largest number of pictures up to `most` whose training needs at most `room`
    bytes by `peak`, which may raise torch.cuda.OutOfMemoryError.

    Two small trials say what a picture costs; the number that follows from that is tried once.
    It is a multiple of 8 where it can be, as matrix units like it.
    """

    def needed(count: int) -> float:
        try:
            return peak(count)
        except torch.cuda.OutOfMemoryError:
            return math.inf

    few, more = (min(most, count) for count in _FEW)
    of_more = needed(more)
    if of_more > room:
        count = _fewer(more)
    else:
        cost = max(1.0, (of_more - needed(few)) / max(1, more - few))
        count = min(most, more + int((room - of_more) / cost)) // 8 * 8
        if count <= more:
            return more
    while count > 1 and needed(count) > room:
        count = _fewer(count)
    return max(1, count)


def _fewer(count: int) -> int:
    return count * 7 // 8 // 8 * 8 or count * 7 // 8


def _pictures(count: int, side: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=generator)


def _timed(
    call: Callable[[NormalizedModel, Tensor], None],
    net: NormalizedModel,
    way: Compute,
    images: Tensor,
) -> float:
    placed = way.place_images(images)
    began = time.perf_counter()
    with way.autocast():
        call(net, placed)
    if way.device.type == "cuda":
        torch.cuda.synchronize(way.device)
    return max(1e-9, time.perf_counter() - began)


def _train(net: NormalizedModel, images: Tensor) -> None:
    loss = net(images).float().square().mean()
    loss.backward()


@torch.inference_mode()
def _evaluate(net: NormalizedModel, images: Tensor) -> None:
    net(images)
