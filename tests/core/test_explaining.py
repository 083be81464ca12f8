"""What speaks for a prediction: by networks of which one knows what they look at."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.nn import functional as F

from core import Predictor, load_run
from core.common.errors import SetupError
from core.inference.explain import explain
from core.inference.explanation import Explanation, HeatMap, draw, overlay


class LooksAtACorner(nn.Module):
    """The middle class's logit is the brightness of the upper left quarter alone."""

    feature_info = ({"module": "stage"},)

    def __init__(self) -> None:
        super().__init__()
        self.stage = nn.Conv2d(3, 2, 4, stride=4, bias=False)
        nn.init.constant_(self.stage.weight, 1 / 48)
        self.fc = nn.Linear(1, 3)

    def get_classifier(self) -> nn.Module:
        return self.fc

    def forward(self, images: Tensor) -> Tensor:
        found = self.stage(images)
        half = found.shape[2] // 2
        bright = found[:, :1, :half, :half].mean(dim=(1, 2, 3))
        nothing = torch.zeros_like(bright)
        return torch.stack([nothing, 2 * bright, nothing], dim=1)


@pytest.fixture(scope="module")
def corner(trained: Path) -> Predictor:
    run = load_run(trained)
    net = LooksAtACorner().eval().requires_grad_(False)
    return Predictor(replace(run, model=net), device="cpu")


@pytest.fixture
def white(tmp_path: Path) -> str:
    Image.new("RGB", (32, 32), "white").save(tmp_path / "white.png")
    return str(tmp_path / "white.png")


def one(predictor: Predictor, path: str, **options: Any) -> Explanation:
    (found,) = explain(predictor, [path], **options)
    assert isinstance(found, Explanation)
    return found


def test_occlusion_finds_the_only_place_that_matters(corner: Predictor, white: str) -> None:
    found = one(corner, white, occlusion=True)
    heat = found.maps[1].heat
    assert found.target == "class_1"
    assert heat.max() == 1.0
    reach = 16 + 32 // 7  # a window that begins inside may end outside
    assert heat[reach:].max() == heat[:, reach:].max() == 0
    assert heat[:16, :16].min() > 0
    assert 0 < found.maps[1].strongest < found.row.confidence


def test_grad_cam_is_the_activation_weighted_by_its_mean_gradient(
    trained: Path, photos: Path
) -> None:
    run = load_run(trained)
    predictor = Predictor(run, device="cpu")
    path = str(photos / "class_2" / "004.png")
    for stage in (2, 4):
        found = one(predictor, path, stage=stage, target="class_2")
        kept: list[Tensor] = []

        def keep(module: nn.Module, given: Any, output: Tensor, kept: list[Tensor] = kept) -> None:
            output.retain_grad()
            kept.append(output)

        handle = run.model.get_submodule(f"stages.{stage - 1}").register_forward_hook(keep)
        image = predictor.normalize(predictor.view(path)[None]).requires_grad_()
        run.model(image)[0, 2].backward()
        handle.remove()
        (activation,) = kept
        assert activation.grad is not None
        weights = activation.grad.mean(dim=(2, 3), keepdim=True)
        raw = (weights * activation).sum(dim=1, keepdim=True).relu()
        expected = F.interpolate(raw.detach(), (32, 32), mode="bilinear")[0, 0].numpy()
        assert found.maps[0].strongest == pytest.approx(expected.max(), rel=1e-4)
        if expected.max() > 0:
            expected /= expected.max()
        assert np.abs(found.maps[0].heat - expected).max() < 1e-4


def test_explaining_changes_no_prediction_and_keeps_no_gradient(
    trained: Path, photos: Path
) -> None:
    predictor = Predictor(load_run(trained), device="cpu")
    path = str(photos / "class_0" / "000.png")
    before = predictor.predict([path])
    found = one(predictor, path, occlusion=True)
    assert found.row.confidence == pytest.approx(before.max())
    assert np.array_equal(predictor.predict([path]), before)
    assert all(parameter.grad is None for parameter in predictor.run.model.parameters())


def test_what_cant_be_read_is_a_row_with_its_error(corner: Predictor, white: str) -> None:
    first, second = explain(corner, ["none.png", white])
    assert not isinstance(first, Explanation)
    assert first.error == "no such file"
    assert isinstance(second, Explanation)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stage": 2}, "--stage 2: this network has stages 1 to 1"),
        (
            {"target": "x\x1b"},
            r"--class x\x1b is no class of this run; its classes are: class_0",
        ),
    ],
)
def test_a_stage_or_class_that_is_not_there_is_told_at_once(
    options: dict[str, Any], message: str, corner: Predictor
) -> None:
    with pytest.raises(SetupError) as refusal:
        explain(corner, [], **options)
    assert message in str(refusal.value)


def test_without_the_library_it_says_what_to_install(
    corner: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "captum", None)
    with pytest.raises(SetupError, match=r"needs captum: pip install 'convnext-tui\[explain\]'"):
        explain(corner, [])


def made(*heats: np.ndarray) -> Explanation:
    maps = [HeatMap("m", heat.astype(np.float32), 1.0) for heat in heats]
    return Explanation(None, "a", Image.new("RGB", (4, 4)), maps)  # type: ignore[arg-type]


def test_agreement_is_spearmans_with_ties() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        one, other = generator.integers(0, 5, (2, 6, 6)) / 5
        expected = spearmanr(one.ravel(), other.ravel()).statistic
        assert made(one, other).agreement == pytest.approx(expected)
    assert made(one, np.zeros((6, 6))).agreement is None
    assert made(one).agreement is None


def test_without_heat_the_picture_stays_as_it_is(corner: Predictor, white: str) -> None:
    picture = Image.effect_noise((8, 8), 60).convert("RGB")
    cold, hot = np.zeros((8, 8), np.float32), np.ones((8, 8), np.float32)
    assert overlay(picture, cold).tobytes() == picture.tobytes()
    assert overlay(picture, hot).tobytes() != picture.tobytes()
    alone, both = (draw(one(corner, white, occlusion=more)).size for more in (False, True))
    assert both[0] > alone[0] and both[1] == alone[1]
