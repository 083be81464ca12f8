"""Checkpoints of a run with averaged weights: inference uses the weights that validation used."""

from pathlib import Path

import pytest

from core import Predictor, load_run
from core.events import commands as cmd
from core.events import types as ev
from core.inference.evaluate import evaluate
from core.inference.labeled_images import LabeledImages
from core.model.build import copy_weights
from tests.core.engine_kit import Trained, load, same, small_config, train


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Three epochs of phase full whose average is far from the weights, with a manual save."""

    def act(event: ev.Event, engine: object, send: object) -> None:
        if isinstance(event, ev.EpochEnded) and event.epoch == 2:
            assert callable(send)
            send(cmd.SaveCheckpoint())

    options = ("phases.full.ema=0.9", "phases.full.lr=0.01", "phases.full.epochs=3")
    config = small_config(photos, "phases.head.epochs=0", *options)
    run = train(config, tmp_path_factory.mktemp("runs"), act)
    run.folder.journal.touch()  # a folder is a run if it has a journal
    return run


def test_the_last_checkpoint_reproduces_the_results_of_the_last_epoch(run: Trained) -> None:
    last = run.of(ev.EpochEnded)[-1]
    val = run.engine.phase_inputs["full"].val.dataset
    root = Path(str(run.engine.config.data.root))
    images = LabeledImages(root, "val", [str(root / path) for path in val.paths], val.labels)
    predictor = Predictor(load_run(run.folder.path, "last"), device="cpu")
    metrics = evaluate(predictor, images).metrics
    assert metrics["loss"] == pytest.approx(last.val_loss, rel=1e-5)
    assert metrics["top1"] == pytest.approx(last.val_top1)


@pytest.mark.parametrize("name", ["last.pt", "last-previous.pt", "manual"])
def test_the_average_of_a_resumable_checkpoint_is_used(name: str, run: Trained) -> None:
    folder = run.folder.checkpoints
    (file,) = folder.glob("manual-full-*.pt") if name == "manual" else [folder / name]
    average = load(file)["train_state"]["averaged"]
    assert same(copy_weights(load_run(run.folder.path, str(file)).model), average)
    assert not same(average, load(file)["model"])


def test_without_an_average_the_weights_are_used(trained: Path) -> None:
    saved = load(trained / "checkpoints" / "last.pt")
    assert saved["train_state"]["averaged"] is None
    assert same(copy_weights(load_run(trained, "last").model), saved["model"])
