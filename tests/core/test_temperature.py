"""Temperature scaling: fitted by the best epoch, kept with its weights, applied on request."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch.nn import functional as F

from core.common.errors import SetupError
from core.distributed.process_group import SINGLE_PROCESS, ProcessGroup
from core.inference.api import export
from core.inference.export.target import ExportTarget
from core.inference.labeled_images import list_split_images
from core.inference.predictor import Predictor
from core.inference.trained_run import load_run
from core.model.build import ModelError, divide_logits
from core.training import kept_logits
from core.training.kept_logits import KeptLogits
from core.training.temperature import fit_temperature
from tests.core.engine_kit import load
from tests.tui.command import run as command


def sample(seed: int, count: int = 200, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Return calibrated logits and labels drawn from their probabilities."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(count, classes, generator=generator)
    return logits, torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]


@given(st.integers(0, 10**6), st.floats(0.2, 5.0))
def test_it_gives_the_lowest_loss_of_all_temperatures(seed: int, true: float) -> None:
    logits, labels = sample(seed)
    found = fit_temperature(true * logits, labels)

    def loss(temperature: float) -> float:
        return F.cross_entropy((true * logits / temperature).double(), labels).item()

    for other in (0.5, 0.9, 0.99, 1.01, 1.1, 2.0):
        assert loss(found) <= loss(other * found) + 1e-9


def test_calibrated_logits_need_no_temperature_and_scaled_ones_theirs() -> None:
    logits, labels = sample(1, count=20_000)
    assert fit_temperature(logits, labels) == pytest.approx(1, abs=0.05)
    assert fit_temperature(3 * logits, labels) == pytest.approx(3, abs=0.15)


@pytest.mark.parametrize("label", [0, 1])
def test_without_a_mistake_or_without_a_hit_it_is_one(label: int) -> None:
    logits = torch.tensor([[5.0, 0.0]] * 3)
    assert fit_temperature(logits, torch.full((3,), label)) == 1.0


def test_logits_that_are_not_finite_are_left_out() -> None:
    logits, labels = sample(2)
    damaged = torch.cat([logits, torch.full((1, 4), torch.nan)])
    assert fit_temperature(damaged, F.pad(labels, (0, 1))) == fit_temperature(logits, labels)


def kept(
    logits: torch.Tensor, labels: torch.Tensor, batch: int, images: range | None = None
) -> KeptLogits:
    found = KeptLogits()
    for some in torch.tensor(images or range(len(labels))).split(batch):
        found.add(logits[some], labels[some], some)
    return found


class TwoRanks(ProcessGroup):
    """Rank 0 of two, when the other one sends `sent`."""

    size = 2

    def __init__(self, sent: object) -> None:
        self.sent = sent

    def gather(self, value: object) -> list[object]:  # type: ignore[override]
        return [self.sent, value]


class Recorder(ProcessGroup):
    """Keeps what a rank sends."""

    sent: object = None

    def gather(self, value: object) -> list[object]:  # type: ignore[override]
        self.sent = value
        return [value]


@pytest.mark.parametrize("most", [4 * 150, 1 << 21])
def test_batches_and_ranks_change_nothing(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_logits, "MAX_LOGITS", most)
    logits, labels = sample(3)
    count = min(200, most // 4)
    expected = fit_temperature(logits[:count], labels[:count])
    assert kept(logits, labels, 7).temperature() == expected
    recorder = Recorder()
    kept(logits, labels, 30, range(100, 200)).gather(recorder)
    other = kept(logits, labels, 9, range(100))
    other.gather(TwoRanks(recorder.sent))
    assert other.temperature() == expected


def test_without_images_it_is_one() -> None:
    none = KeptLogits()
    assert none.temperature() == 1.0
    none.gather(SINGLE_PROCESS)
    assert none.temperature() == 1.0


def test_a_best_checkpoint_has_it_and_a_calibrated_model_its_logits_divided(trained: Path) -> None:
    plain = Predictor(load_run(trained), device="cpu")
    calibrated = Predictor(load_run(trained, calibrated=True), device="cpu")
    temperature = load(trained / "checkpoints" / "best.pt")["metrics"]["temperature"]
    run = plain.run
    images = list_split_images(run.folder, Path(run.config.data.root or ""), run.classes, "val")
    (batch,) = [torch.stack([one.views[0] for one in some]) for some in plain.read(images.paths)]
    logits = plain.logits(batch)
    assert torch.allclose(calibrated.logits(batch), logits / temperature, atol=1e-5)
    labels = torch.tensor(images.labels)
    assert temperature == pytest.approx(fit_temperature(logits, labels), rel=0.01)


def test_predictions_and_exports_apply_it_on_request(
    trained: Path, photos: Path, tmp_path: Path
) -> None:
    image = str(next(photos.rglob("*.png")))
    predict = ("predict", str(trained), image, "--device", "cpu", "--out")
    outs = [tmp_path / "plain.csv", tmp_path / "calibrated.csv"]
    for out, options in zip(outs, ([], ["--calibrated"]), strict=True):
        command(*predict, str(out), *options, cwd=tmp_path)
    again = command(*predict, str(outs[1]), cwd=tmp_path)
    assert again.returncode == 2
    assert "was written with temperature" in again.stderr
    target = ExportTarget("safetensors", tmp_path / "model.safetensors")
    export(str(trained), tmp_path, "best", target, [image], calibrated=True)
    weights = load(trained / "checkpoints" / "best.pt")
    temperature = weights["metrics"]["temperature"]
    exported = load_file(target.path)
    name = "head.fc.weight"
    assert torch.allclose(exported[name] * temperature, weights["model"][name], atol=1e-6)


def test_a_checkpoint_without_a_temperature_is_an_error_of_one_line(trained: Path) -> None:
    with pytest.raises(SetupError, match=r"last\.pt has no temperature to calibrate with"):
        load_run(trained, "last", calibrated=True)


def test_a_classifier_without_a_linear_layer_is_refused() -> None:
    class Plain(torch.nn.Module):
        def get_classifier(self) -> torch.nn.Module:
            return torch.nn.Identity()

    with pytest.raises(ModelError, match="can't be calibrated"):
        divide_logits(Plain(), 2.0)
