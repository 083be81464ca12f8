"""Sample sheets show the first training images of a phase and don't influence training."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.loading.dataset import Batch, SampleKey
from core.events import types as ev
from core.training.engine import Engine
from core.training.evaluation_metrics import EvaluationMetrics
from core.training.micro_batches import ForwardResult
from core.training.sample_sheet import MAX_SAMPLES, SampleSheetWriter
from core.training.train_state import TrainState
from tests.core.engine_kit import Trained, same, small_config, train
from tests.make_images import make_images


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("photos"), classes=3, per_class=10)


def images(run: Trained, event: ev.SamplesSaved) -> list[np.ndarray]:
    sheet = np.array(Image.open(run.folder.path / event.path))
    side = event.side
    return [
        sheet[row * side : (row + 1) * side, column * side : (column + 1) * side]
        for row, column in (divmod(n, event.columns) for n in range(len(event.files)))
    ]


def as_seen(run: Trained, event: ev.SamplesSaved, epoch: int) -> list[np.ndarray]:
    dataset = run.engine.phase_inputs["full"].train.dataset
    found = []
    for file in event.files:
        image = dataset[SampleKey(event.phase, epoch, dataset.paths.index(file))].image
        assert image is not None
        found.append(image.permute(1, 2, 0).numpy())
    return found


@pytest.mark.parametrize("views", [0, 1, 2])
def test_the_sheet_has_the_first_training_images(photos: Path, tmp_path: Path, views: int) -> None:
    config = small_config(photos, f"phases.head.views={views}", "data.batch_size=20")
    first: dict[str, Batch] = {}

    def watch(event: ev.Event, engine: Engine, send: object) -> None:
        if isinstance(event, ev.PhaseStarted):
            make = engine.computer.gradient

            def spy(state: TrainState, batch: Batch, seed: int) -> ForwardResult | None:
                first.setdefault(event.phase, batch)
                return make(state, batch, seed)

            engine.computer.gradient = spy  # type: ignore[method-assign]

    run = train(config, tmp_path, watch)
    saved = run.of(ev.SamplesSaved)
    assert [(e.phase, e.epoch, e.path) for e in saved] == [
        ("head", 1, "samples/head.png"),
        ("full", 1, "samples/full.png"),
    ]
    for event in saved:
        batch = first[event.phase]
        paths = run.engine.phase_inputs["full"].train.dataset.paths
        assert event.files == [paths[place] for place in batch.indices[:MAX_SAMPLES].tolist()]
        assert event.labels == batch.labels[:MAX_SAMPLES].tolist()
        assert (len(event.files), event.columns, event.side) == (16, 4, 32)
        # In phase head the first view is not augmented.
        key_epoch = 0 if views and event.phase == "head" else 1
        seen = as_seen(run, event, key_epoch)
        assert all(np.array_equal(a, b) for a, b in zip(images(run, event), seen, strict=True))


def test_with_cached_features_the_images_are_loaded_for_the_sheet(
    photos: Path, tmp_path: Path
) -> None:
    config = small_config(photos, "phases.head.views=1", "data.batch_size=7")
    first = train(config, tmp_path / "a")
    again = train(config, tmp_path / "b")
    for event in again.of(ev.SamplesSaved):
        (before,) = (e for e in first.of(ev.SamplesSaved) if e.phase == event.phase)
        assert event == before
        files = [run.folder.path / event.path for run in (first, again)]
        assert files[0].read_bytes() == files[1].read_bytes()
        assert len(event.files) == 7


def test_normalized_images_are_converted_back(photos: Path, tmp_path: Path) -> None:
    config = small_config(photos, "data.augment.erase=1e-9", "phases.head.epochs=0")
    run = train(config, tmp_path)
    (event,) = run.of(ev.SamplesSaved)
    for image, seen in zip(images(run, event), as_seen(run, event, 1), strict=True):
        assert seen.dtype == np.float32
        assert 20 < image.mean() < 235
        assert np.corrcoef(image.ravel(), seen.ravel())[0, 1] > 0.9


def test_a_sheet_that_cannot_be_written_is_a_warning(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*rest: object) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("core.training.sample_sheet.write_atomically", refuse)
    run = train(small_config(photos), tmp_path)
    assert run.ended.outcome == "finished"
    assert run.of(ev.SamplesSaved) == []
    warned = [e.message for e in run.of(ev.Warned) if e.code == "samples"]
    assert len(warned) == 2
    assert "No space left on device; training continues" in warned[0]


def test_training_does_not_depend_on_sheets_and_evaluations(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(photos, "phases.head.views=2")
    seen = train(config, tmp_path / "a")
    monkeypatch.setattr(SampleSheetWriter, "save", lambda *rest: None)
    monkeypatch.setattr(EvaluationMetrics, "take_event", lambda *rest: None)
    unseen = train(config, tmp_path / "b")
    assert unseen.of(ev.SamplesSaved) == unseen.of(ev.Evaluated) == []
    for name in ("best.pt", "last.pt"):
        assert same(seen.weights(name), unseen.weights(name))


def test_each_epoch_is_evaluated_right_after_its_end(photos: Path, tmp_path: Path) -> None:
    run = train(small_config(photos), tmp_path)
    for number, event in enumerate(run.events):
        if isinstance(event, ev.EpochEnded):
            emitted = run.events[number + 1]
            assert isinstance(emitted, ev.Evaluated)
            assert (emitted.phase, emitted.epoch) == (event.phase, event.epoch)
            assert sum(emitted.correct) == pytest.approx(event.val_top1 * sum(emitted.support))
            val = run.engine.phase_inputs["full"].val.dataset
            assert emitted.support == [val.labels.count(label) for label in range(3)]
            for mistake in emitted.mistakes:
                assert val.labels[val.paths.index(mistake.path)] == mistake.truth
