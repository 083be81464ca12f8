"""Explanations of models whose relevant image regions are known."""

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


class CornerModel(nn.Module):
    """Model whose class_1 logit depends only on the brightness of the upper left quarter."""

    feature_info = ({"module": "stage"},)

    def __init__(self) -> None:
        super().__init__()
        self.stage = nn.Conv2d(3, 2, 4, stride=4, bias=False)
        nn.init.constant_(self.stage.weight, 1 / 48)
        self.fc = nn.Linear(1, 3)

    def get_classifier(self) -> nn.Module:
        return self.fc

    def forward(self, images: Tensor) -> Tensor:
        features = self.stage(images)
        half = features.shape[2] // 2
        brightness = features[:, :1, :half, :half].mean(dim=(1, 2, 3))
        zeros = torch.zeros_like(brightness)
        return torch.stack([zeros, 2 * brightness, zeros], dim=1)


@pytest.fixture(scope="module")
def corner(trained: Path) -> Predictor:
    run = load_run(trained)
    net = CornerModel().eval().requires_grad_(False)
    return Predictor(replace(run, model=net), device="cpu")


@pytest.fixture
def white(tmp_path: Path) -> str:
    Image.new("RGB", (32, 32), "white").save(tmp_path / "white.png")
    return str(tmp_path / "white.png")


def explain_one(predictor: Predictor, path: str, **options: Any) -> Explanation:
    (explanation,) = explain(predictor, [path], **options)
    assert isinstance(explanation, Explanation)
    return explanation


def test_occlusion_finds_the_only_relevant_region(corner: Predictor, white: str) -> None:
    found = explain_one(corner, white, occlusion=True)
    heat = found.maps[1].heat
    assert found.target == "class_1"
    assert heat.max() == 1.0
    reach = 16 + 32 // 7  # a window that starts inside may end outside
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
        found = explain_one(predictor, path, stage=stage, target="class_2")
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


def test_explaining_changes_no_prediction_and_leaves_no_gradient(
    trained: Path, photos: Path
) -> None:
    predictor = Predictor(load_run(trained), device="cpu")
    path = str(photos / "class_0" / "000.png")
    before = predictor.predict([path])
    found = explain_one(predictor, path, occlusion=True)
    assert found.row.confidence == pytest.approx(before.max())
    assert np.array_equal(predictor.predict([path]), before)
    assert all(parameter.grad is None for parameter in predictor.run.model.parameters())


def test_an_unreadable_image_is_a_row_with_its_error(corner: Predictor, white: str) -> None:
    first, second = explain(corner, ["none.png", white])
    assert not isinstance(first, Explanation)
    assert first.error == "no such file"
    assert isinstance(second, Explanation)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stage": 2}, "--stage 2: this model has stages 1 to 1"),
        (
            {"target": "x\x1b"},
            r"--class x\x1b is not a class of this run; its classes are: class_0",
        ),
    ],
)
def test_an_unknown_stage_or_class_is_reported_before_the_first_image(
    options: dict[str, Any], message: str, corner: Predictor
) -> None:
    with pytest.raises(SetupError) as refusal:
        explain(corner, [], **options)
    assert message in str(refusal.value)


def test_a_missing_captum_names_the_extra_to_install(
    corner: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "captum", None)
    with pytest.raises(SetupError, match=r"needs captum: pip install 'convnext-tui\[explain\]'"):
        explain(corner, [])


def explanation_of(*heats: np.ndarray) -> Explanation:
    maps = [HeatMap("m", heat.astype(np.float32), 1.0) for heat in heats]
    return Explanation(None, "a", Image.new("RGB", (4, 4)), maps)  # type: ignore[arg-type]


def test_agreement_is_spearmans_correlation_with_ties() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        one, other = generator.integers(0, 5, (2, 6, 6)) / 5
        expected = spearmanr(one.ravel(), other.ravel()).statistic
        assert explanation_of(one, other).agreement == pytest.approx(expected)
    assert explanation_of(one, np.zeros((6, 6))).agreement is None
    assert explanation_of(one).agreement is None


def test_an_overlay_without_heat_equals_the_image(corner: Predictor, white: str) -> None:
    image = Image.effect_noise((8, 8), 60).convert("RGB")
    cold, hot = np.zeros((8, 8), np.float32), np.ones((8, 8), np.float32)
    assert overlay(image, cold).tobytes() == image.tobytes()
    assert overlay(image, hot).tobytes() != image.tobytes()
    alone, both = (draw(explain_one(corner, white, occlusion=more)).size for more in (False, True))
    assert both[0] > alone[0] and both[1] == alone[1]
