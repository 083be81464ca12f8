"""Mixup and CutMix: equal to timm's, seeded, for any batch size and micro-batch size."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from timm.data import Mixup

from core.common.seeds import derive_seed
from core.config.load import with_values
from core.config.schema import Config
from core.events import types as ev
from core.training.mixup import BatchMixer, make_mixup
from tests.core.engine_kit import small_config, train
from tests.core.test_balance import losses
from tests.core.test_faults import LimitedMemory
from tests.make_images import make_images

CLASSES = 4
ALPHAS = st.sampled_from([(0.2, 0.0), (0.0, 1.0), (0.4, 1.0), (1.0, 0.0)])
MIXED = ("phases.full.mixup=0.5", "phases.full.cutmix=1.0")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("photos"), classes=3, per_class=10)


def mix(alphas: tuple[float, float]) -> BatchMixer:
    config = with_values(
        Config(), {"phases.full.mixup": alphas[0], "phases.full.cutmix": alphas[1]}
    )
    made = make_mixup(config.phases.full, CLASSES, torch.clone)
    assert made is not None
    return made


def batch(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(count)
    images = torch.randn(count, 3, 8, 8, generator=generator)
    return images, torch.randint(0, CLASSES, (count,), generator=generator)


def test_without_an_alpha_there_is_no_mixer() -> None:
    assert make_mixup(Config().phases.full, CLASSES, torch.clone) is None


@given(ALPHAS, st.integers(1, 4), st.integers(0, 2**63 - 1))
def test_an_even_batch_equals_that_of_timm(
    alphas: tuple[float, float], half: int, seed: int
) -> None:
    images, labels = batch(2 * half)
    found, targets = mix(alphas)(images, labels, seed)
    np.random.seed(derive_seed(seed, "mix") & 0xFFFFFFFF)
    timms = Mixup(*alphas, label_smoothing=0.0, num_classes=CLASSES)
    expected = timms(images.clone(), labels)
    assert torch.equal(found, expected[0])
    assert torch.equal(targets, expected[1])


@given(ALPHAS, st.integers(1, 9), st.integers(0, 2**63 - 1))
def test_the_result_depends_only_on_the_seed_and_no_global_state_changes(
    alphas: tuple[float, float], count: int, seed: int
) -> None:
    images, labels = batch(count)
    kept = images.clone(), labels.clone()
    stream, torchs = np.random.get_state()[1].copy(), torch.get_rng_state()
    found, targets = mix(alphas)(images, labels, seed)
    assert (np.random.get_state()[1] == stream).all()
    assert torch.equal(torch.get_rng_state(), torchs)
    assert torch.equal(images, kept[0]) and torch.equal(labels, kept[1])
    assert found.shape == images.shape and targets.shape == (count, CLASSES)
    assert torch.allclose(targets.sum(dim=1), torch.ones(count))
    np.random.seed(count)
    again = mix(alphas)(images, labels, seed)
    assert torch.equal(found, again[0]) and torch.equal(targets, again[1])


@given(st.integers(0, 4), st.integers(0, 99))
def test_the_middle_image_of_an_odd_batch_mixes_with_itself(half: int, seed: int) -> None:
    images, labels = batch(2 * half + 1)
    found, targets = mix((1.0, 0.0))(images, labels, seed)
    assert torch.allclose(found[half], images[half], atol=1e-6)
    assert torch.allclose(targets[half], torch.eye(CLASSES)[labels[half]])
    if half:
        ratio = ((found[0] - images[-1]) / (images[0] - images[-1])).median()
        assert torch.allclose(found, ratio * images + (1 - ratio) * images.flip(0), atol=1e-3)


def test_training_is_mixed_and_validation_is_not(photos: Path, tmp_path: Path) -> None:
    still = "phases.full.lr=1e-30"
    plain = losses(photos, tmp_path / "plain", still)
    mixed = losses(photos, tmp_path / "mixed", still, *MIXED)
    assert mixed[0] != pytest.approx(plain[0], rel=1e-6)
    assert mixed[1] == plain[1]


@pytest.mark.parametrize("more", [(), ("data.augment.erase=1.0",)], ids=["bytes", "floats"])
def test_micro_batches_give_an_equal_step(
    more: tuple[str, ...], photos: Path, tmp_path: Path
) -> None:
    # 24 images in batches of 7 and a last one of 3.
    options = (*MIXED, *more, "data.batch_size=7")
    whole = losses(photos, tmp_path / "whole", *options)
    parts = losses(photos, tmp_path / "parts", *options, "data.micro_batch_size=2")
    assert parts == pytest.approx(whole, rel=1e-4)


def test_a_step_repeated_for_lack_of_memory_is_mixed_once(photos: Path, tmp_path: Path) -> None:
    options = (*MIXED, "data.augment.erase=1.0", "phases.head.epochs=1")
    runs = [
        train(small_config(photos, *options), tmp_path / name, act)
        for name, act in (("whole", None), ("short", LimitedMemory(3)))
    ]
    found = [[(e.train_loss, e.val_loss) for e in run.of(ev.EpochEnded)] for run in runs]
    for a, b in zip(*found, strict=True):
        assert a == pytest.approx(b, rel=1e-4)


def test_training_top1_counts_the_original_labels(photos: Path, tmp_path: Path) -> None:
    seen: list[bool] = []

    def watch(event: ev.Event, engine, send: object) -> None:
        if isinstance(event, ev.PhaseStarted) and event.phase == "full":
            make = engine.computer.gradient

            def spy(state, batch, seed: int):
                passed = make(state, batch, seed)
                seen.append(torch.equal(passed.labels, batch.labels))
                return passed

            engine.computer.gradient = spy

    train(small_config(photos, *MIXED, "phases.head.epochs=0"), tmp_path, watch)
    assert seen and all(seen)
