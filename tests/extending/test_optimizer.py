"""An optimizer takes one entry in the registry: config, training and forecast then know it."""

import pytest
import torch

from core.config.key_docs import allowed_values
from core.config.load import ConfigError, load_config
from core.config.optimizers import OPTIMIZERS, OptimizerEntry
from core.forecast.forecast import step_bytes
from core.forecast.model_info import ModelInfo
from core.training.optimizers import build_optimizer, step_if_finite

KEY = "phases.full.optimizer"
OVERRIDES = (f"{KEY}=own", "phases.full.lr=0.01", "phases.full.weight_decay=0.1")


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> OptimizerEntry:
    """RMSprop with momentum, which torch has no fused version of."""
    entry = OptimizerEntry(
        "torch.optim:RMSprop", state_values=2, options={"momentum": 0.5}, has_fused=False
    )
    monkeypatch.setitem(OPTIMIZERS, "own", entry)
    return entry


@pytest.mark.usefixtures("own")
def test_config_accepts_and_lists_a_new_optimizer() -> None:
    assert load_config("default", OVERRIDES).phases.full.optimizer == "own"
    assert allowed_values(KEY) == " or ".join(OPTIMIZERS)
    assert allowed_values(KEY).endswith(" or own")


def test_config_rejects_an_optimizer_without_an_entry() -> None:
    with pytest.raises(ConfigError, match="expected adam or adamw or sgd or "):
        load_config("default", OVERRIDES)


@pytest.mark.usefixtures("own")
def test_training_builds_a_new_optimizer_and_steps_with_it() -> None:
    model = torch.nn.Linear(4, 3)
    before = model.weight.detach().clone()
    optimizer = build_optimizer(load_config("default", OVERRIDES).phases.full, model.parameters())
    assert isinstance(optimizer, torch.optim.RMSprop)
    assert {key: optimizer.defaults[key] for key in ("lr", "weight_decay", "momentum")} == {
        "lr": 0.01,
        "weight_decay": 0.1,
        "momentum": 0.5,
    }
    model(torch.ones(2, 4)).sum().backward()
    step_if_finite(optimizer, torch.ones(2))
    assert not torch.equal(model.weight, before)


def test_the_forecast_counts_the_state_of_a_new_optimizer(own: OptimizerEntry) -> None:
    info = ModelInfo(parameters=1_000_000)
    with_sgd = step_bytes(load_config("default", [f"{KEY}=sgd"]), info, 20)
    with_own = step_bytes(load_config("default", OVERRIDES), info, 20)
    assert with_sgd is not None and with_own is not None
    more = own.state_values - OPTIMIZERS["sgd"].state_values
    assert with_own - with_sgd == 4 * more * info.parameters_for(20)
