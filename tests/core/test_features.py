"""Phase head on cached features: the results equal those on images, for any state of the cache."""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from timm.models import register_model

from core.common import cache
from core.config.schema import ModelConfig
from core.data.loading.dataset import Batch
from core.data.loading.loader import batched
from core.events import types as ev
from core.model.build import build_model, train_mode
from core.model.normalize import NormalizedModel
from core.session.engine_thread import EngineThread
from core.training.engine import Engine
from core.training.features.frozen_backbone import FrozenBackbone, is_deterministic
from core.training.features.loader import FeatureLoader, augmentation_epoch
from core.training.features.store import FeatureStore
from tests.core.engine_kit import Trained, same, small_config, train
from tests.core.test_faults import LimitedMemory, images_of
from tests.core.test_resume import assert_same_end, crash_after, resume_run, run
from tests.make_images import make_images
from tests.stages import slow_except

HEAD_ONLY = ("phases.head.epochs=5", "phases.head.early_stopping.patience=9")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("photos"), classes=3, per_class=10)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONVNEXT_TUI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def config(photos: Path, views: int, *more: str):
    return small_config(photos, *HEAD_ONLY, f"phases.head.views={views}", *more)


def losses(trained: Trained) -> list[tuple[float, float]]:
    return [(e.train_loss, e.val_loss) for e in trained.of(ev.EpochEnded)]


def assert_same_run(a: Trained, b: Trained) -> None:
    assert losses(a) == losses(b)
    for name in ("best.pt", "last.pt"):
        assert same(a.weights(name), b.weights(name)), name


class Forwards:
    """Counts the images that pass through the backbone in phase head."""

    def __init__(self) -> None:
        self.images = 0

    def __call__(self, event: ev.Event, engine, send: object) -> None:
        if isinstance(event, ev.PhaseStarted) and event.phase == "head":
            stem = engine.model.get_submodule("stem")
            self.hook = stem.register_forward_hook(self._count)
        elif isinstance(event, ev.PhaseEnded) and event.phase == "head":
            self.hook.remove()

    def _count(self, module: object, inputs: tuple[torch.Tensor], output: object) -> None:
        self.images += len(inputs[0])


def test_each_view_of_an_image_passes_the_backbone_once(photos: Path, tmp_path: Path) -> None:
    # 24 training and 6 validation images; the first view and that of validation are in the cache.
    for views, expected in ((1, 24 + 6), (2, 24), (0, 5 * 24)):
        count = Forwards()
        train(config(photos, views), tmp_path / str(views), count)
        assert count.images == expected, views


def test_the_next_run_uses_the_cache_and_has_equal_results(photos: Path, tmp_path: Path) -> None:
    first = train(config(photos, 2), tmp_path / "first")
    count = Forwards()
    second = train(config(photos, 2, "phases.head.lr=0.001"), tmp_path / "second", count)
    assert count.images == 0
    assert_same_run(first, second)


def test_another_seed_batch_size_or_image_size_has_its_own_cache(
    photos: Path, tmp_path: Path
) -> None:
    train(config(photos, 1), tmp_path / "first")
    for number, other in enumerate(("seed=3", "data.batch_size=4", "data.image_size=48")):
        count = Forwards()
        train(config(photos, 1, other), tmp_path / str(number), count)
        assert count.images == 30, other


def test_augmentation_that_differs_in_a_late_decimal_has_its_own_cache(
    photos: Path, tmp_path: Path, own_cache: Path
) -> None:
    """timm writes the scale of crops with four decimals."""
    one_epoch = ("phases.head.epochs=1", "phases.full.epochs=0")
    for number, scale in enumerate(("0.5", "0.50001", "0.50002", "0.5")):
        options = (f"data.augment.min_scale={scale}", *one_epoch)
        train(config(photos, 1, *options), tmp_path / str(number))
    assert len(list((own_cache / "features").iterdir())) == 1 + 1, "one view needs no augmentation"
    for number, scale in enumerate(("0.5", "0.50001", "0.50002", "0.5")):
        options = (f"data.augment.min_scale={scale}", *one_epoch, "phases.head.epochs=2")
        train(config(photos, 2, *options), tmp_path / f"second-{number}")
    assert len(list((own_cache / "features").iterdir())) == 1 + 1 + 3


def test_without_a_cache_on_disk_the_results_are_equal(
    photos: Path, tmp_path: Path, own_cache: Path
) -> None:
    kept = train(config(photos, 2), tmp_path / "kept")
    shutil.rmtree(own_cache)
    none = train(config(photos, 2, "cache.max_gb=0"), tmp_path / "none")
    assert not own_cache.exists()
    assert_same_run(kept, none)
    own_cache.mkdir(exist_ok=True)
    (own_cache / "features").write_text("in the way of the folder")
    assert_same_run(kept, train(config(photos, 2), tmp_path / "in the way"))


def test_damaged_rows_are_computed_again(photos: Path, tmp_path: Path, own_cache: Path) -> None:
    first = train(config(photos, 2), tmp_path / "first")
    for file in own_cache.glob("features/*/rows.f32"):
        data = bytearray(file.read_bytes())
        data[5 :: 4 * 64 * 3] = bytes(len(data[5 :: 4 * 64 * 3]))
        file.write_bytes(data)
    count = Forwards()
    second = train(config(photos, 2), tmp_path / "second", count)
    assert count.images > 0
    assert_same_run(first, second)


class UncachedViews:
    """The batches of a feature loader, but all of them images that pass through the network."""

    def __init__(self, features: FeatureLoader) -> None:
        self.dataset, self.steps = features.dataset, features.steps
        self.images, self.views = features.images, features.views

    def epoch(
        self, phase: str, epoch: int, order: list[int] | None = None, done: int = 0
    ) -> Iterator[Batch]:
        indices = order or list(range(len(self.dataset)))
        batches = batched(indices, self.images.batch_size)[done:]
        view = (epoch - 1) % self.views
        return self.images.batches(phase, augmentation_epoch(view), batches)

    def missing(self, phase: str, epoch: int) -> Iterator[Batch]:
        return iter(())

    def batch_images(self, phase: str, epoch: int, batch: Batch, most: int) -> Batch:
        return self.images.batch_images(phase, epoch, batch, most)


def cache_nothing(engine: Engine) -> None:
    head = engine.phase_inputs["head"]
    sources = {
        name: UncachedViews(source)
        for name, source in (("train", head.train), ("val", head.val))
        if isinstance(source, FeatureLoader)
    }
    assert sources
    engine.phase_inputs = {**engine.phase_inputs, "head": replace(head, **sources)}


def test_features_give_the_results_of_images(photos: Path, tmp_path: Path) -> None:
    fast = train(config(photos, 2), tmp_path / "fast")
    slow = train(config(photos, 2), tmp_path / "slow", change_engine=cache_nothing)
    # The first two epochs compute their features in identical batches.
    assert losses(fast)[:2] == losses(slow)[:2]
    for a, b in zip(losses(fast), losses(slow), strict=True):
        assert a == pytest.approx(b, rel=1e-5)


def test_validation_features_change_no_byte(photos: Path, tmp_path: Path) -> None:
    fast = train(config(photos, 0), tmp_path / "fast")
    assert_same_run(fast, train(config(photos, 0), tmp_path / "slow", change_engine=cache_nothing))


@pytest.mark.parametrize("cleared", [False, True], ids=["with the cache", "without it"])
@pytest.mark.parametrize("steps", slow_except([2, 4, 8, 10, 13], 4))
def test_a_run_resumed_after_a_crash_in_phase_head_equals_an_uninterrupted_one(
    steps: int,
    cleared: bool,
    photos: Path,
    tmp_path: Path,
    own_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many = config(photos, 2, "checkpoint.every_minutes=0.000001", "phases.full.epochs=1")
    uninterrupted = run(EngineThread(many, tmp_path / "uninterrupted"))
    shutil.rmtree(own_cache)
    with monkeypatch.context() as patch:
        crash_after(steps, patch)
        folder = run(EngineThread(many, tmp_path / "runs"))
    if cleared:
        shutil.rmtree(own_cache)
    assert resume_run(folder).outcome == "finished"
    assert_same_end(folder, uninterrupted)


def test_a_damaged_image_is_left_out_of_the_features(tmp_path: Path) -> None:
    root = make_images(tmp_path / "photos", classes=2, per_class=6)

    def damage(event: ev.Event, engine: object, send: object) -> None:
        if isinstance(event, ev.PhaseStarted) and event.phase == "head":
            (root / images_of(engine)[0]).write_bytes(b"damaged")

    trained = train(config(root, 1), tmp_path / "runs", damage)
    warned = [w for w in trained.of(ev.Warned) if w.code == "unreadable-file"]
    assert [w.files for w in warned] == [[images_of(trained.engine)[0]]]
    assert trained.ended.outcome == "finished"


def test_out_of_memory_while_features_are_computed(photos: Path, tmp_path: Path) -> None:
    trained = train(config(photos, 1), tmp_path / "short", LimitedMemory(3))
    whole = train(config(photos, 1, "cache.max_gb=0"), tmp_path / "whole")
    assert trained.ended.outcome == "finished"
    for a, b in zip(losses(trained), losses(whole), strict=True):
        assert a == pytest.approx(b, rel=1e-4)


class IgnoresEval(torch.nn.Module):
    """Dropout that is also active in eval mode."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.dropout(x, 0.5, training=True)


@register_model
def convnext_random(pretrained: bool = False, **options: object) -> torch.nn.Module:
    """A timm model whose backbone is not deterministic."""
    model = timm.create_model("test_convnext", pretrained=pretrained, **options)
    model.stem.append(IgnoresEval())
    return model


def frozen_backbone(name: str) -> FrozenBackbone:
    model, _ = build_model(ModelConfig(name=name, pretrained=False), 3, seed=1)
    train_mode(model, frozen=True)
    return FrozenBackbone(NormalizedModel(model, (0.5,) * 3, (0.25,) * 3))


def test_a_backbone_that_is_not_deterministic_is_detected_and_reported(
    photos: Path, tmp_path: Path
) -> None:
    images = torch.randn(2, 3, 32, 32)
    assert is_deterministic(frozen_backbone("test_convnext"), images)
    assert not is_deterministic(frozen_backbone("convnext_random"), images)
    count = Forwards()
    random = config(photos, 1, "model.name=convnext_random")
    trained = train(random, tmp_path, count)
    assert count.images == 5 * 30
    assert "the frozen backbone is not deterministic" in trained.of(ev.Warned)[0].message


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(width=32)), max_size=40))
def test_a_row_is_known_once_finite_values_were_written(writes: list[tuple[int, float]]) -> None:
    store = FeatureStore(None, 10, 3)
    expected: dict[int, float] = {}
    for place, value in writes:
        store.write([place], np.full((1, 3), value, np.float32))
        if np.isfinite(value):
            expected[place] = value
    assert set(np.flatnonzero(store.known)) == set(expected)
    assert all((store.rows[place] == np.float32(value)).all() for place, value in expected.items())


def test_another_process_sees_only_intact_rows(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "s", 4, 2)
    store.write([1, 3], np.ones((2, 2), np.float32))
    store.rows[3, 1] = 7  # torn: written after its checksum
    assert FeatureStore(tmp_path / "s", 4, 2).known.tolist() == [False, True, False, False]
    # A shorter file is extended: rows that match their checksum are kept.
    assert FeatureStore(tmp_path / "s", 5, 2).known.tolist() == [False, True, *[False] * 3]


def test_the_least_recently_used_entries_are_evicted(tmp_path: Path, own_cache: Path) -> None:
    folder = own_cache / "features"
    for number, age in enumerate((9000, 8000, 10)):
        FeatureStore(folder / str(number), 100, 256)
        then = time.time() - age
        os.utime(folder / str(number), (then, then))
    limit = sum(entry.bytes for entry in cache.entries()) / 1e9
    assert cache.allocate_entry("features", "new", 100_000, limit) == folder / "new"
    assert {entry.path.name for entry in cache.entries()} == {"1", "2"}
    # Entries used within the hour are not evicted, and then there is no space.
    assert cache.allocate_entry("features", "new", int(1e10 * limit), limit) is None
    assert {entry.path.name for entry in cache.entries()} == {"2"}
    assert cache.allocate_entry("features", "2", 10**18, 0) == folder / "2"
    assert cache.clear() > 0
    assert cache.entries() == []
