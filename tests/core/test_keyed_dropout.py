"""Dropout and stochastic depth: keyed by image, equal to a plain loop for any division."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from timm.layers import DropPath
from torch import Tensor, nn

from core.common.seeds import derive_seed
from core.config.load import with_values
from core.data.loading.dataset import Batch
from core.events import types as ev
from core.model.build import ModelError, build_model, set_grad_checkpointing
from core.model.keyed_dropout import DropoutKeys, kept, mix, use_keyed_dropout
from tests.core.engine_kit import same, small_config, train
from tests.core.plain_loop import train_plainly
from tests.core.test_faults import LimitedMemory
from tests.make_images import make_images

DROPPED = ("model.drop_path=0.3", "model.dropout=0.2")
FULL = ("phases.head.epochs=0", "phases.full.epochs=2", "phases.full.scheduler.patience=1000")
WORD = 2**64


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("photos"), classes=3, per_class=10, size=32)


def split_mix(number: int) -> int:
    """Return SplitMix64 of a number, in plain integers."""
    value = (number + 0x9E3779B97F4A7C15) % WORD
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 % WORD
    value = (value ^ value >> 27) * 0x94D049BB133111EB % WORD
    return value ^ value >> 31


def mask(seed: int, indices: list[int], layer: int, elements: int, drop: float) -> Tensor:
    """Return which elements are kept, computed one by one."""
    rows = []
    for index in indices:
        key = split_mix((seed % 2**63 + split_mix(index)) % WORD)
        draws = (key ^ split_mix((layer + 1) * 2**32 + place) for place in range(elements))
        rows.append([split_mix(draw) >> 33 >= round(drop * 2**31) for draw in draws])
    return torch.tensor(rows)


class Reference(nn.Module):
    """Dropout by the masks above; `now` is the seed of the step with its images."""

    def __init__(self, drop: float, layer: int, whole: bool, now: list[object]) -> None:
        super().__init__()
        self.drop, self.layer, self.whole, self.now = drop, layer, whole, now

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training:
            return inputs
        seed, indices = self.now
        elements = 1 if self.whole else math.prod(inputs.shape[1:])
        rows = mask(seed, indices, self.layer, elements, self.drop)  # type: ignore[arg-type]
        shape = (len(rows), *(1,) * (inputs.dim() - 1)) if self.whole else inputs.shape
        return inputs * rows.view(shape) / (1 - self.drop)


@given(st.integers(-(2**63), 2**63 - 1))
def test_the_hash_is_split_mix(number: int) -> None:
    assert mix(torch.tensor(number)).item() % WORD == split_mix(number % WORD)


@given(st.integers(0, 2**63 - 1), st.lists(st.integers(0, 10**6), min_size=1), st.integers(0, 99))
def test_masks_equal_those_computed_one_by_one(seed: int, indices: list[int], layer: int) -> None:
    keys = DropoutKeys()
    keys.set(seed, torch.tensor(indices), torch.device("cpu"))
    assert keys.keys is not None
    assert torch.equal(kept(keys.keys, layer, 5, 0.3), mask(seed, indices, layer, 5, 0.3))


def test_draws_are_independent_and_as_frequent_as_asked() -> None:
    keys = DropoutKeys()
    keys.set(derive_seed(1, "step"), torch.arange(20_000), torch.device("cpu"))
    assert keys.keys is not None
    first, second = (kept(keys.keys, layer, 8, 0.25).double() for layer in (0, 1))
    assert first.mean().item() == pytest.approx(0.75, abs=0.005)
    columns = torch.cat([first, second], dim=1)
    shifted = torch.cat([columns[1:], columns[:-1]], dim=1)
    for draws in (columns, shifted):
        off = torch.corrcoef(draws.T) - torch.eye(draws.shape[1])
        assert off.abs().max().item() < 0.035, "five standard errors"


def test_losses_equal_those_of_a_plain_loop(photos: Path, tmp_path: Path) -> None:
    config = small_config(photos, *FULL, *DROPPED)
    now: list[object] = [0, []]

    def prepare(model: nn.Module) -> None:
        layer = 0
        for name, module in list(model.named_modules()):
            whole = isinstance(module, DropPath)
            drop = module.drop_prob if whole else getattr(module, "p", 0)
            if drop and (whole or isinstance(module, nn.Dropout)):
                parent, _, last = name.rpartition(".")
                setattr(
                    model.get_submodule(parent), last, Reference(float(drop), layer, whole, now)
                )
                layer += 1
        assert layer >= 4

    def on_batch(seed: int, batch: Batch) -> None:
        now[:] = seed, batch.indices.tolist()

    trained = train(config, tmp_path)
    expected = train_plainly(config, prepare=prepare, on_batch=on_batch)
    found = [(e.train_loss, e.val_loss) for e in trained.of(ev.EpochEnded)]
    assert found == [pytest.approx(pair, abs=1e-5) for pair in expected]


def test_micro_batches_and_short_memory_change_no_draw(photos: Path, tmp_path: Path) -> None:
    config = small_config(photos, *FULL, *DROPPED)
    whole = train(config, tmp_path / "whole")
    divided = train(with_values(config, {"data.micro_batch_size": 3}), tmp_path / "divided")
    short = train(config, tmp_path / "short", LimitedMemory(5))
    for other in (divided, short):
        for one, two in zip(whole.of(ev.EpochEnded), other.of(ev.EpochEnded), strict=True):
            assert two.train_loss == pytest.approx(one.train_loss, abs=1e-5)


def test_the_frozen_backbone_drops_nothing(photos: Path, tmp_path: Path) -> None:
    head = ("phases.head.views=1", "phases.full.epochs=0")
    dropped = train(small_config(photos, *head, *DROPPED), tmp_path / "dropped")
    plain = train(small_config(photos, *head), tmp_path / "plain")
    assert same(dropped.weights("best-head.pt"), plain.weights("best-head.pt"))
    assert not [event for event in dropped.of(ev.Warned) if event.code == "features"]


def test_recomputed_activations_change_no_result(photos: Path, tmp_path: Path) -> None:
    config = small_config(photos, *FULL, *DROPPED)
    kept_ones = train(config, tmp_path / "kept")
    recomputing = with_values(config, {"model.grad_checkpointing": True})
    again = train(recomputing, tmp_path / "again")
    assert same(kept_ones.weights("last.pt"), again.weights("last.pt"))
    assert again.engine.model.stages[0].grad_checkpointing  # type: ignore[index]


def test_layers_without_a_rate_keep_their_type() -> None:
    config = small_config(Path(), "model.drop_path=0.2").model
    model, _ = build_model(config, 3, seed=1)
    use_keyed_dropout(model)
    names = {type(module).__name__ for module in model.modules()}
    assert "KeyedDropPath" in names
    assert not names & {"DropPath", "KeyedDropout"}


def test_a_model_that_cannot_recompute_activations_is_refused() -> None:
    with pytest.raises(ModelError, match="this model doesn't support it"):
        set_grad_checkpointing(nn.Linear(2, 2), True)
