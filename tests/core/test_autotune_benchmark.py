"""Benchmark: the fastest option by a clear margin, the largest batch that fits, no side effects."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.config.schema import ModelConfig
from core.model.build import build_model
from core.model.device import Compute
from core.model.normalize import NormalizedModel
from core.training.autotune.benchmark import fastest, largest_batch_that_fits, seconds_per_image

CPU = torch.device("cpu")
PLAIN, LAST = Compute(CPU, "cpu", "fp32", False), Compute(CPU, "cpu", "fp32", True)
HALF = Compute(CPU, "cpu", "bf16", False)


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({PLAIN: 1.0}, PLAIN),
        ({PLAIN: 1.0, LAST: 0.95, HALF: 0.85}, PLAIN),
        ({PLAIN: 1.0, LAST: 0.90, HALF: 0.85}, LAST),
        ({PLAIN: 1.0, LAST: 0.90, HALF: 0.60}, HALF),
        ({PLAIN: 1.0, LAST: 0.50, HALF: 0.60}, LAST),
        ({HALF: 1.0, PLAIN: 0.90}, PLAIN),
    ],
)
def test_another_option_than_the_default_must_be_clearly_faster(
    seconds: dict[Compute, float], chosen: Compute
) -> None:
    assert fastest(seconds) == chosen


@given(
    base=st.integers(0, 500),
    cost=st.integers(1, 40),
    room=st.integers(1, 4000),
    most=st.integers(1, 400),
    wasted=st.integers(0, 30),
    raises=st.booleans(),
)
def test_the_batch_fits_and_a_much_larger_one_would_not(
    base: int, cost: int, room: int, most: int, wasted: int, raises: bool
) -> None:
    tried: list[int] = []

    def peak(count: int) -> int:
        tried.append(count)
        # An allocator adds unused parts of its blocks, of varying size.
        needed = base + cost * count + (wasted * count) % 7
        if raises and needed > room:
            raise torch.cuda.OutOfMemoryError
        return needed

    found = largest_batch_that_fits(peak, room, most)
    assert 1 <= found <= most
    assert found == 1 or peak(found) <= room
    larger = min(most, 2 * found + 16)
    assert larger == most or base + cost * larger + 7 > room, "half of the room is used"
    assert len(tried) <= 3 + 40


def test_with_enough_memory_three_trials_suffice() -> None:
    tried: list[int] = []

    def peak(count: int) -> int:
        tried.append(count)
        return 1000 + 10 * count

    assert largest_batch_that_fits(peak, available=1000 + 10 * 205, most=1024) == 200
    assert tried == [16, 2, 200]


@pytest.mark.parametrize(("memory", "seconds"), [(4, 0.25), (0, math.inf)])
def test_a_benchmark_uses_fewer_images_if_memory_is_short(memory: int, seconds: float) -> None:
    def short_memory(call: object, net: object, way: object, images: torch.Tensor) -> float:
        if len(images) > memory:
            raise torch.cuda.OutOfMemoryError
        return 1.0

    gpu = Compute(torch.device("meta"), "a GPU", "bf16", True)
    net = NormalizedModel(torch.nn.Conv2d(3, 2, 1), (0.5,) * 3, (0.25,) * 3)
    assert seconds_per_image(net, [gpu], 32, True, timer=short_memory) == {gpu: seconds}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("way", [PLAIN, LAST, HALF])
def test_a_benchmark_changes_no_weight_and_leaves_no_gradient(way: Compute, training: bool) -> None:
    config = ModelConfig(name="test_convnext", pretrained=False)
    model, _ = build_model(config, 3, seed=1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    net = NormalizedModel(model, (0.5,) * 3, (0.25,) * 3)
    random = torch.random.get_rng_state()
    assert seconds_per_image(net, [way], 32, training)[way] > 0
    assert torch.equal(torch.random.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
