"""Imbalanced classes: loss weights and balanced sampling."""

import functools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.config.load import load_config
from core.config.schema import Config
from core.data.assign import SplitOptions
from core.data.balance import balanced_probabilities, class_weights
from core.data.loading.dataset import SampleKey
from core.data.loading.loader import make_datasets, make_loaders
from core.data.loading.order import EpochOrder, epoch_order
from core.data.split import plan_data
from core.events import types as ev
from core.model.build import build_model, model_data_config
from core.training.losses import TrainingLoss
from tests.core.engine_kit import small_config, train
from tests.make_images import make_images

pytestmark = pytest.mark.usefixtures("forked_interpreter")

LABELS = st.lists(st.integers(0, 5), min_size=1, max_size=300)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 24 and 4 images."""
    root = make_images(tmp_path_factory.mktemp("photos"), classes=2, per_class=24)
    for path in sorted((root / "class_1").iterdir())[4:]:
        path.unlink()
    return root


def order(labels: list[int], *overrides: str) -> EpochOrder:
    return EpochOrder(config(*overrides), labels)


@functools.cache
def config(*overrides: str) -> Config:
    return load_config("default", ["data.balance=sampler", *overrides])


@given(LABELS)
def test_class_weights_have_mean_1_and_are_higher_for_smaller_classes(labels: list[int]) -> None:
    weights = class_weights(labels, 6)
    counts = Counter(labels)
    assert np.mean([weights[label] for label in labels]) == pytest.approx(1.0)
    for a in range(6):
        assert (weights[a] > 0) == (a in counts)
        for b in counts:
            if 0 < counts[a] < counts[b]:
                assert weights[a] > weights[b]


def test_class_weights_match_the_paper() -> None:
    weights = class_weights([0] * 500 + [1] * 20, 2)
    effective = [(1 - 0.999**n) / (1 - 0.999) for n in (500, 20)]
    assert weights[1] / weights[0] == pytest.approx(effective[0] / effective[1])
    assert weights[1] / weights[0] < 500 / 20  # repeated content counts less


@given(LABELS, st.integers(1, 9))
def test_without_sampler_every_image_is_visited_once(labels: list[int], epoch: int) -> None:
    plain = order(labels, "data.balance=loss")
    assert plain("full", epoch) == epoch_order(len(labels), 1029, "full", epoch)
    assert sorted(plain("full", epoch)) == list(range(len(labels)))


@given(LABELS, st.integers(1, 9))
def test_sampled_epoch_depends_only_on_seed_phase_and_epoch(labels: list[int], epoch: int) -> None:
    drawn = order(labels, "phases.head.views=2")
    assert len(drawn("full", epoch)) == len(labels)
    assert drawn("full", epoch) == order(labels)("full", epoch)
    is_permutation = sorted(drawn("head", epoch)) == list(range(len(labels)))
    assert is_permutation or epoch > 2
    assert sum(balanced_probabilities(labels)) == pytest.approx(1.0)


def test_sampler_draws_classes_equally() -> None:
    labels = [0] * 900 + [1] * 90 + [2] * 10
    drawn = order(labels)
    found = Counter(labels[index] for index in drawn("full", 1))
    # Each is a binomial of 1000 and 1/3: five standard deviations are 75.
    assert all(258 < count < 409 for count in found.values())
    assert len({tuple(drawn("full", epoch)) for epoch in range(1, 5)}) == 4
    assert drawn("full", 1) != order(labels, "seed=3")("full", 1)


@pytest.mark.parametrize("workers", [0, 2])
def test_repeated_image_is_augmented_differently(photos: Path, workers: int) -> None:
    config = small_config(photos, "data.balance=sampler")
    plan = plan_data(photos, SplitOptions(0.2, 1))
    assert plan is not None
    model, _ = build_model(config.model, 2, 1)
    datasets = make_datasets(config, plan, model_data_config(model))
    loader, _ = make_loaders(datasets, 4, workers, torch.device("cpu"))
    indices = [0, 1, 0, 0, 2, 0, 1]
    images = torch.cat([batch.images for batch in loader.epoch("full", 1, indices)])
    rest = torch.cat([batch.images for batch in loader.epoch("full", 1, indices, done=1)])
    loader.close()
    again = [image for index, image in zip(indices, images, strict=True) if index == 0]
    assert all(not torch.equal(a, b) for i, a in enumerate(again) for b in again[:i])
    assert torch.equal(images[4:], rest)
    for repeat, image in enumerate(again):
        loaded = datasets[0][SampleKey("full", 1, 0, repeat)].image
        assert loaded is not None and torch.equal(loaded, image)


@given(st.integers(1, 7), st.floats(0, 0.9), st.booleans(), st.integers(0, 99))
def test_loss_is_a_mean_over_images_so_micro_batches_add_up(
    size: int, smoothing: float, weighted: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    logits, labels = torch.randn(8, 3), torch.randint(0, 3, (8,))
    weights = torch.tensor([0.5, 1.0, 4.0]) if weighted else torch.ones(3)
    loss = TrainingLoss(smoothing, weights if weighted else None)
    log_p = logits.log_softmax(dim=1)
    shares = (1 - smoothing) * torch.eye(3)[labels] + smoothing / 3
    expected = -(weights * shares * log_p).sum(dim=1).mean()
    assert torch.allclose(loss(logits, labels), expected, rtol=1e-5)
    parts = zip(logits.split(size), labels.split(size), strict=True)
    added = torch.stack([loss(part, wanted) * len(wanted) / 8 for part, wanted in parts]).sum()
    assert torch.allclose(added, expected, rtol=1e-5)


ONE_EPOCH = ("phases.head.epochs=0", "phases.full.epochs=1")


def losses(root: Path, runs: Path, *overrides: str) -> tuple[float, float]:
    ended = train(small_config(root, *ONE_EPOCH, *overrides), runs).of(ev.EpochEnded)[0]
    return ended.train_loss, ended.val_loss


def test_only_the_training_loss_is_weighted_and_smoothed(photos: Path, tmp_path: Path) -> None:
    still = "phases.full.lr=1e-30"
    plain = losses(photos, tmp_path / "plain", still)
    for name in ("data.balance=loss", "phases.full.label_smoothing=0.5"):
        other = losses(photos, tmp_path / name, still, name)
        assert other[0] != pytest.approx(plain[0], rel=1e-6), name
        assert other[1] == plain[1], name


def test_weighted_loss_is_equal_with_micro_batches(photos: Path, tmp_path: Path) -> None:
    options = ("data.balance=loss", "phases.full.label_smoothing=0.1")
    whole = losses(photos, tmp_path / "whole", *options)
    parts = losses(photos, tmp_path / "parts", *options, "data.micro_batch_size=3")
    assert parts == pytest.approx(whole, rel=1e-4)
