"""Optimizers: the notebook's, and a step that is only taken where everything is finite."""

import copy
from collections.abc import Callable

import pytest
import torch

from core.config import Config
from core.config_io import with_values
from core.optimizers import build_optimizer, step_if_finite, step_judged_on_device


@pytest.mark.parametrize("take", [step_if_finite, step_judged_on_device])
@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_a_step_that_is_not_finite_changes_nothing_and_the_next_one_goes_on(
    name: str, take: Callable[[torch.optim.Optimizer, torch.Tensor], None]
) -> None:
    phase = with_values(Config(), {"phases.full.optimizer": name}).phases.full
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 3)
    twin = copy.deepcopy(model)
    ours = build_optimizer(phase, model.parameters())
    plain = build_optimizer(phase, twin.parameters())
    for good in (True, False, True, False, True):
        gradients = [torch.randn(p.shape) for p in model.parameters()]
        before = [p.detach().clone() for p in model.parameters()]
        for p, gradient in zip(model.parameters(), gradients, strict=True):
            p.grad = gradient if good else gradient * float("nan")
        take(ours, torch.tensor([1.0, 1.0 if good else float("nan")]))
        if not good:
            assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
            continue
        for p, gradient in zip(twin.parameters(), gradients, strict=True):
            p.grad = gradient
        plain.step()
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True)
    )


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_fused_is_what_torch_does_without(name: str) -> None:
    phase = with_values(Config(), {"phases.full.optimizer": name}).phases.full
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 3)
    twin = copy.deepcopy(model)
    plain = {
        "adam": lambda p: torch.optim.Adam(p, lr=1e-4, weight_decay=1e-4),
        "adamw": lambda p: torch.optim.AdamW(p, lr=1e-4, weight_decay=1e-4),
        "sgd": lambda p: torch.optim.SGD(p, lr=1e-4, momentum=0.9, weight_decay=1e-4),
    }[name](twin.parameters())
    ours = build_optimizer(phase, model.parameters())
    for _ in range(5):
        for p, q in zip(model.parameters(), twin.parameters(), strict=True):
            p.grad = torch.randn(p.shape)
            q.grad = p.grad.clone()
        ours.step()
        plain.step()
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.allclose(p, q, rtol=1e-6)
