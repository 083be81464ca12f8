"""Optimizers, and steps that are only taken if all values are finite."""

import copy
from collections.abc import Callable

import pytest
import timm
import timm.optim
import torch
from torch import nn

from core.config.load import with_values
from core.config.optimizers import OPTIMIZERS
from core.config.phases_section import FullConfig
from core.config.schema import Config
from core.training.optimizers import build_optimizer, step_if_finite, step_if_finite_on_device


def plain_phase(optimizer: str) -> FullConfig:
    """Return a phase without layer decay, at the learning rate of the tests."""
    values = {"optimizer": optimizer, "lr": 1e-4, "weight_decay": 1e-4, "layer_decay": 1.0}
    return with_values(
        Config(), {f"phases.full.{key}": value for key, value in values.items()}
    ).phases.full


@pytest.mark.parametrize("take", [step_if_finite, step_if_finite_on_device])
@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_a_non_finite_step_changes_nothing_and_the_next_one_continues(
    name: str, take: Callable[[torch.optim.Optimizer, torch.Tensor], None]
) -> None:
    phase = plain_phase(name)
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
    phase = plain_phase(name)
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


def own_and_timms(name: str, model: nn.Module) -> tuple[torch.optim.Optimizer, ...]:
    """Return the optimizer of a run, and that of timm's documentation over a copy of the model."""
    config = plain_phase(name)
    ours = build_optimizer(config, model.parameters(), model)
    groups = copy.deepcopy(model).parameters()
    timms = timm.optim.create_optimizer_v2(
        groups, opt=name, lr=config.lr, weight_decay=config.weight_decay, filter_bias_and_bn=False
    )
    return ours, timms


def step_with(optimizer: torch.optim.Optimizer, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.randn(parameter.shape, generator=generator)
    optimizer.step()


def parameters_of(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [p.detach() for group in optimizer.param_groups for p in group["params"]]


def state_size(optimizer: torch.optim.Optimizer) -> int:
    states = optimizer.state_dict()["state"].values()
    return sum(v.numel() for state in states for v in state.values() if torch.is_tensor(v))


@pytest.mark.parametrize("name", [n for n in OPTIMIZERS if n not in ("adam", "adamw", "sgd")])
def test_an_optimizer_of_timm_equals_timms_and_resumes_exactly(name: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 24, 3), nn.Linear(96, 80))
    ours, timms = own_and_timms(name, model)
    for seed in range(4):
        step_with(ours, seed)
        step_with(timms, seed)
    for one, other in zip(parameters_of(ours), parameters_of(timms), strict=True):
        assert torch.allclose(one, other, atol=1e-7)
    resumed, _ = own_and_timms(name, copy.deepcopy(model))
    resumed.load_state_dict(copy.deepcopy(ours.state_dict()))
    for seed in range(4, 7):
        step_with(ours, seed)
        step_with(resumed, seed)
    for one, other in zip(parameters_of(ours), parameters_of(resumed), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_memory_forecast_knows_the_size_of_the_state(name: str) -> None:
    model = nn.Sequential(nn.Linear(200, 300), nn.Linear(300, 100))
    ours, _ = own_and_timms(name, model)
    step_with(ours, 0)
    parameters = sum(p.numel() for p in model.parameters())
    found = state_size(ours) / parameters
    assert found == pytest.approx(OPTIMIZERS[name].state_values, abs=0.05)
