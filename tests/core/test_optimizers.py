"""Optimizers, and steps that are only taken if all values are finite."""

import copy
from collections.abc import Callable

import pytest
import timm
import torch

from core.config.load import with_values
from core.config.schema import Config
from core.training.optimizers import build_optimizer, step_if_finite, step_if_finite_on_device


@pytest.mark.parametrize("take", [step_if_finite, step_if_finite_on_device])
@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_a_non_finite_step_changes_nothing_and_the_next_one_continues(
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
def test_a_fused_optimizer_equals_the_unfused_one(name: str) -> None:
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


def layered(decay: float) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    values = {"phases.full.layer_decay": decay, "phases.full.lr": 0.1}
    phase = with_values(Config(), {**values, "phases.full.weight_decay": 0.05}).phases.full
    model = timm.create_model("test_convnext", num_classes=3)
    return model, build_optimizer(phase, model.parameters(), model)


def test_layer_decay_scales_the_rates_and_exempts_biases_from_weight_decay() -> None:
    model, optimizer = layered(0.5)
    of = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    rates = {name: of[id(p)]["lr"] for name, p in model.named_parameters()}
    assert rates["head.fc.weight"] == 0.1
    assert rates["stem.0.weight"] == min(rates.values()) < 0.01
    assert rates["stages.0.blocks.0.mlp.fc1.weight"] < rates["stages.3.blocks.0.mlp.fc1.weight"]
    for name, p in model.named_parameters():
        assert of[id(p)]["weight_decay"] == (0.0 if p.ndim <= 1 else 0.05), name
        assert of[id(p)]["lr"] == 0.1 * of[id(p)]["lr_scale"]


def test_without_layer_decay_there_is_one_group() -> None:
    model, optimizer = layered(1.0)
    assert [len(group["params"]) for group in optimizer.param_groups] == [
        len(list(model.parameters()))
    ]
