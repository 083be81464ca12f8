"""Training in fp16: equal to torch's recipe with GradScaler, and its overflows are no failures."""

from pathlib import Path

import pytest
import torch

from core.events import types as ev
from core.training import loss_scaler
from core.training.loss_scaler import OVERFLOW, LossScaler
from tests.core.engine_kit import load, small_config, train
from tests.core.plain_loop import train_plainly
from tests.make_images import make_images

FP16 = ("precision=fp16", "phases.head.epochs=0", "phases.full.epochs=3")
CONSTANT = "phases.full.scheduler.patience=1000"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("photos"), classes=3, per_class=10, size=32)


def start_at(scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss_scaler, "INITIAL_SCALE", scale)


def test_losses_equal_those_of_a_plain_loop_with_grad_scaler(photos: Path, tmp_path: Path) -> None:
    config = small_config(photos, *FP16, CONSTANT)
    trained = train(config, tmp_path)
    found = [(e.train_loss, e.val_loss) for e in trained.of(ev.EpochEnded)]
    assert found == [
        pytest.approx(pair, abs=1e-5) for pair in train_plainly(config, dtype=torch.float16)
    ]
    assert trained.of(ev.ModelReady)[0].precision == "fp16"


def test_an_overflow_halves_the_scale_and_counts_as_no_failure(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_at(2.0**60, monkeypatch)
    trained = train(small_config(photos, *FP16, "nonfinite=stop"), tmp_path)
    assert trained.ended.outcome == "finished"
    assert not trained.of(ev.Warned)
    scale = load(trained.folder.checkpoints / "last.pt")["train_state"]["scaler"]["scale"]
    assert 2.0**40 < scale < 2.0**60
    norms = [event.grad_norm for event in trained.of(ev.Progress)]
    assert OVERFLOW not in norms


def test_a_gradient_that_overflows_without_scaling_is_a_failure(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_at(1.0, monkeypatch)

    def damage(engine: object) -> None:
        weights = engine.model.head.fc.weight  # type: ignore[attr-defined]
        weights.register_hook(lambda gradient: gradient * torch.inf)

    trained = train(small_config(photos, *FP16, "nonfinite=stop"), tmp_path, change_engine=damage)
    assert trained.ended.outcome == "failed"
    assert trained.ended.reason == "the loss was not finite"


@pytest.mark.parametrize(
    ("scale", "loss", "norm", "marked"),
    [
        (2.0, 1.0, torch.inf, OVERFLOW),
        (2.0, 1.0, torch.nan, OVERFLOW),
        (1.0, 1.0, torch.inf, torch.inf),
        (2.0, torch.inf, torch.inf, torch.inf),
        (2.0, 1.0, 3.0, 3.0),
    ],
)
def test_only_the_scale_is_blamed_for_its_own_overflow(
    scale: float, loss: float, norm: float, marked: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_at(scale, monkeypatch)
    scaler = LossScaler(torch.device("cpu"))
    assert scaler.marked_norm(torch.tensor(loss), torch.tensor(norm)).item() == marked
