"""Autotune: measured once, reported, cached, and kept when a run is resumed."""

from pathlib import Path

import pytest
import torch

from core.config.load import with_values
from core.config.schema import Config
from core.events import types as ev
from core.model.build import build_model
from core.model.device import Compute
from core.model.normalize import NormalizedModel
from core.training.autotune import autotune as module
from tests.core.engine_kit import load, small_config, train
from tests.make_images import make_images

pytestmark = pytest.mark.usefixtures("forked_interpreter")

AUTO = ("precision=auto", "memory_format=auto")
CPU = torch.device("cpu")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_images(tmp_path / "photos", classes=3, per_class=10, size=32)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVNEXT_TUI_CACHE", str(tmp_path / "cache"))


class Clock:
    """Replaces the benchmark: bf16 is faster in phase head, all options are equal in phase full."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(
        self, net: NormalizedModel, ways: list[Compute], side: int, training: bool
    ) -> dict[Compute, float]:
        self.calls += 1
        return {way: 0.001 if way.precision == "bf16" and not training else 0.002 for way in ways}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "seconds_per_image", clock)
    return clock


def tune(config: Config, kept: object = None) -> tuple[module.AutotuneResult, list[ev.Event]]:
    model, _ = build_model(config.model, 3, seed=1)
    emitted: list[ev.Event] = []
    net = NormalizedModel(model, (0.5,) * 3, (0.25,) * 3)
    return module.autotune(config, net, 200, kept, emitted.append), emitted  # type: ignore[arg-type]


def test_each_phase_gets_its_fastest_precision_and_memory_format(
    photos: Path, clock: Clock
) -> None:
    found, emitted = tune(small_config(photos, *AUTO))
    assert found.computes["head"].precision == "bf16"
    assert found.computes["full"].precision == "fp32"
    assert found.batch_size == 8
    texts = [f"{e.what}: {e.value} ({e.reason})" for e in emitted if isinstance(e, ev.Chosen)]
    assert texts[0].startswith(
        "precision and memory format of phase head: bf16, contiguous (time per image: fp32"
    )
    assert texts[1].startswith("precision and memory format of phase full: fp32, contiguous (")


def test_measurements_are_cached_for_the_next_run_of_a_network(photos: Path, clock: Clock) -> None:
    first, _ = tune(small_config(photos, *AUTO))
    calls = clock.calls
    again, emitted = tune(small_config(photos, *AUTO))
    assert again == first
    assert clock.calls == calls
    assert sum(isinstance(e, ev.Chosen) for e in emitted) == 2
    tune(small_config(photos, *AUTO, "data.image_size=48"))
    assert clock.calls == 2 * calls


def test_without_a_cache_folder_every_run_measures(
    photos: Path, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("CONVNEXT_TUI_CACHE", str(tmp_path / "file" / "cache"))
    first, _ = tune(small_config(photos, *AUTO))
    calls = clock.calls
    again, _ = tune(small_config(photos, *AUTO))
    assert again == first
    assert clock.calls == 2 * calls


def test_explicit_values_and_deterministic_runs_need_no_benchmark(
    photos: Path, clock: Clock
) -> None:
    tune(small_config(photos))
    tune(small_config(photos, *AUTO, "deterministic=true"))
    assert clock.calls == 0
    tune(small_config(photos, "data.workers=auto"))
    assert clock.calls == 1, "the number of workers depends on the speed of the network"


def test_a_resumed_run_keeps_its_tuned_values(photos: Path, clock: Clock) -> None:
    began, _ = tune(small_config(photos, *AUTO, "data.batch_size=auto"))
    clock.calls = 0
    kept = began.to_dict()
    kept["batch_size"] = 23
    found, emitted = tune(small_config(photos, *AUTO, "data.batch_size=auto"), kept)
    assert (found.computes, found.batch_size) == (began.computes, 23)
    assert (emitted, clock.calls) == ([], 0)
    for compute in kept["computes"].values():
        compute["device"] = "cuda"
    found, _ = tune(small_config(photos, *AUTO), kept)
    assert (found.computes, found.batch_size) == (began.computes, 23)


def test_checkpoints_of_early_versions_name_the_precision_by_a_flag(
    photos: Path, clock: Clock
) -> None:
    began, _ = tune(small_config(photos, *AUTO))
    clock.calls = 0
    saved = began.to_dict()
    for compute in saved["computes"].values():
        compute["bf16"] = compute.pop("precision") == "bf16"
    found, _ = tune(small_config(photos, *AUTO), saved)
    assert (found.computes, clock.calls) == (began.computes, 0)


def test_without_a_gpu_the_automatic_batch_size_is_the_default(
    photos: Path, tmp_path: Path
) -> None:
    config = small_config(photos, "data.batch_size=auto", "phases.full.epochs=0")
    trained = train(config, tmp_path)
    assert trained.of(ev.PhaseStarted)[0].steps == 1
    assert [(e.what, e.value) for e in trained.of(ev.Chosen)] == [("data.batch_size", "64")]
    checkpoint = load(trained.folder.checkpoints / "last.pt")
    assert checkpoint["config"]["data"]["batch_size"] == 64
    assert checkpoint["choices"]["batch_size"] == 64


def test_mixed_precision_training_reaches_the_results_of_fp32(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quickest = {
        "head": Compute(CPU, "cpu", "bf16", True),
        "full": Compute(CPU, "cpu", "fp32", True),
    }

    def trial(
        net: NormalizedModel, ways: list[Compute], side: int, training: bool
    ) -> dict[Compute, float]:
        fast = quickest["full" if training else "head"]
        return {way: 0.1 if way == fast else 1.0 for way in ways}

    monkeypatch.setattr(module, "seconds_per_image", trial)
    rows = ("phases.head.epochs=4", "phases.full.epochs=2")
    quick = train(small_config(photos, *AUTO, *rows, "phases.head.views=1"), tmp_path / "quick")
    plain = train(small_config(photos, *rows, "phases.head.views=1"), tmp_path / "plain")
    assert quick.ended.outcome == "finished"
    assert {p: f.compute for p, f in quick.engine.phase_inputs.items()} == quickest
    for one, other in zip(quick.of(ev.EpochEnded), plain.of(ev.EpochEnded), strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=0.02)
        assert one.val_loss == pytest.approx(other.val_loss, rel=0.02)


def test_benchmark_results_are_used_and_reported(photos: Path, tmp_path: Path) -> None:
    config = with_values(
        small_config(photos, *AUTO), {"data.workers": "auto", "phases.head.epochs": 1}
    )
    trained = train(config, tmp_path)
    emitted = [event.what for event in trained.of(ev.Chosen)]
    ways = [f"precision and memory format of phase {phase}" for phase in ("head", "full")]
    assert emitted == [*ways, "data.workers"]
    assert trained.ended.outcome == "finished"
