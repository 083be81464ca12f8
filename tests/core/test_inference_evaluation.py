"""An evaluation's figures, against scikit-learn and torchmetrics."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn import metrics as sk
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
)

from core import Predictor, load_run
from core.analysis.class_metrics import Evaluation
from core.common.errors import SetupError
from core.inference.bootstrap import (
    FIGURES,
    PerImageResults,
    difference_intervals,
    intervals,
    point_estimates,
)
from core.inference.evaluate import PerImageMetrics, evaluate
from core.inference.html_report import html_report
from core.inference.labeled_images import list_labeled_images
from core.training.evaluation_metrics import BINS
from core.training.metrics import cross_entropy


def passed(
    count: int, classes: int, seed: int, batch: int
) -> tuple[torch.Tensor, torch.Tensor, PerImageMetrics]:
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(count, classes, generator=generator)
    labels = torch.randint(classes, (count,), generator=generator)
    logits[torch.arange(count), labels] += 1.0
    metrics = PerImageMetrics([str(n) for n in range(count)])
    for first in range(0, count, batch):
        some = slice(first, first + batch)
        loss = cross_entropy(logits[some], labels[some])
        metrics.add_images(loss, logits[some], labels[some], torch.arange(count)[some])
    return logits, labels, metrics


@given(st.integers(1, 200), st.integers(2, 12), st.integers(0, 999), st.integers(1, 64))
@settings(max_examples=60)
def test_figures_are_those_of_scikit_learn_and_torchmetrics(
    count: int, classes: int, seed: int, batch: int
) -> None:
    logits, labels, metrics = passed(count, classes, seed, batch)
    found = point_estimates(metrics.figures())
    # In double precision, as softmax in single precision may make two classes equal.
    probabilities, guesses = logits.double().softmax(dim=1), logits.argmax(dim=1)
    there = sorted(set(labels.tolist()))
    top5 = multiclass_accuracy(logits, labels, classes, "micro", top_k=min(5, classes))
    error = multiclass_calibration_error(probabilities, labels, classes, BINS)
    expected = {
        "top1": sk.accuracy_score(labels, guesses),
        "top5": float(top5),
        "loss": sk.log_loss(labels, probabilities, labels=range(classes)),
        "macro_f1": sk.f1_score(labels, guesses, labels=there, average="macro", zero_division=0),
        "ece": float(error),
    }
    assert found == pytest.approx(expected, abs=2e-6)
    evaluation = Evaluation(metrics.event(), [])
    assert evaluation.macro_f1 == pytest.approx(found["macro_f1"])
    assert evaluation.calibration_error == pytest.approx(found["ece"], abs=1e-6 * BINS)


def made(right: list[bool]) -> PerImageResults:
    labels = np.zeros(len(right), int)
    predicted = np.where(right, 0, 1)
    some = np.full(len(right), 0.5)
    return PerImageResults(labels, predicted, some, some, np.array(right))


def test_intervals_cover_as_often_as_they_say() -> None:
    generator = np.random.default_rng(3)
    covered = 0
    for trial in range(100):
        low, high = intervals(made(list(generator.random(150) < 0.7)), 200, seed=trial)["top1"]
        covered += low <= 0.7 <= high
    assert 88 <= covered <= 100


def test_intervals_depend_on_their_seed_alone() -> None:
    pictures = made([True] * 30 + [False] * 20)
    assert intervals(pictures, 50, seed=1) == intervals(pictures, 50, seed=1)
    assert intervals(pictures, 50, seed=1) != intervals(pictures, 50, seed=2)
    low, high = intervals(pictures)["top1"]
    assert low < 0.6 < high and high - low == pytest.approx(
        2 * 1.96 * math.sqrt(0.24 / 50), rel=0.2
    )


def test_a_difference_is_judged_on_the_same_pictures() -> None:
    one = made([True] * 60 + [False] * 40)
    assert set(difference_intervals(one, one).values()) == {(0.0, 0.0)}
    better = made([True] * 80 + [False] * 20)
    low, high = difference_intervals(one, better)["top1"]
    assert 0.1 < low < 0.2 < high < 0.3


@pytest.fixture(scope="module")
def predictor(trained: Path) -> Predictor:
    return Predictor(load_run(trained), device="cpu")


def test_an_evaluation_agrees_with_the_predictions(photos: Path, predictor: Predictor) -> None:
    pictures = list_labeled_images(photos, predictor.classes)
    result = evaluate(predictor, pictures)
    probabilities = predictor.predict(pictures.paths)
    guesses = probabilities.argmax(axis=1)
    assert result.predicted == guesses.tolist()
    assert result.figures["top1"] == sk.accuracy_score(pictures.labels, guesses)
    assert result.matrix == sk.confusion_matrix(pictures.labels, guesses).tolist()
    told = result.to_plain()["per_class"]
    expected = sk.precision_recall_fscore_support(pictures.labels, guesses, zero_division=np.nan)
    for label, row in enumerate(told):
        assert row["recall"] == pytest.approx(expected[1][label])
        assert row["support"] == expected[3][label]


def test_flip_is_the_mean_of_a_picture_and_its_mirror_image(
    photos: Path, predictor: Predictor
) -> None:
    pictures = list_labeled_images(photos, predictor.classes)
    result = evaluate(predictor, pictures, tta="flip")
    images = torch.stack([predictor.transform(Image.open(path)) for path in pictures.paths])
    both = [predictor.logits(one).double().softmax(dim=1) for one in (images, images.flip(3))]
    assert result.tta is not None
    expected = sk.log_loss(pictures.labels, (both[0] + both[1]) / 2)
    assert result.tta.figures["loss"] == pytest.approx(expected, rel=1e-4)
    plain = result.figures["loss"]
    assert result.tta.differences["loss"] == pytest.approx(expected - plain, abs=1e-4)


@pytest.mark.parametrize("kind", ["five-crop", "multi-scale"])
def test_other_views_leave_the_plain_figures_as_they_are(
    kind: str, photos: Path, predictor: Predictor
) -> None:
    pictures = list_labeled_images(photos, predictor.classes)
    plain, with_views = evaluate(predictor, pictures), evaluate(predictor, pictures, kind)
    assert with_views.figures == plain.figures
    assert with_views.tta is not None
    assert with_views.tta.figures != plain.figures
    assert with_views.tta.figures.keys() == FIGURES.keys()


def test_what_cant_be_read_is_named_and_left_out(
    photos: Path, predictor: Predictor, tmp_path: Path
) -> None:
    for label in range(2):
        folder = tmp_path / f"class_{label}"
        folder.mkdir()
        (folder / "good.png").write_bytes((photos / f"class_{label}" / "000.png").read_bytes())
    (tmp_path / "class_0" / "torn.png").write_bytes(b"\x89PNG")
    result = evaluate(predictor, list_labeled_images(tmp_path, predictor.classes))
    assert result.labels == [0, 1]
    ((path, error),) = result.unreadable
    assert path.endswith("torn.png") and error
    for file in tmp_path.glob("*/good.png"):
        file.write_bytes(b"")
    with pytest.raises(SetupError, match="no picture in it can be read"):
        evaluate(predictor, list_labeled_images(tmp_path, predictor.classes))


def test_parts_are_found_by_their_names(tmp_path: Path) -> None:
    for name in ("train/a", "validation/a", "test/b"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / f"{name[0]}.png").touch()
    names = {
        part: [Path(path).name for path in list_labeled_images(tmp_path, ["a", "b"], part).paths]
        for part in (None, "val", "train")
    }
    assert names == {None: ["t.png"], "val": ["v.png"], "train": ["t.png"]}
    assert list_labeled_images(tmp_path / "test", ["a", "b"]).labels == [1]


@pytest.mark.parametrize(
    ("classes", "part", "message"),
    [
        (["x"], None, r"neither a folder of one of the run's classes"),
        (["a"], None, "no class of this run: b; the run's classes are a"),
        (["a", "b"], "test", "has no folder test/"),
    ],
)
def test_a_folder_of_other_classes_is_refused(
    classes: list[str], part: str | None, message: str, tmp_path: Path
) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").touch()
    with pytest.raises(SetupError, match=message):
        list_labeled_images(tmp_path, classes, part)


def test_a_report_needs_nothing_and_trusts_no_name(
    photos: Path, predictor: Predictor, tmp_path: Path
) -> None:
    wrong = tmp_path / "class_1"
    wrong.mkdir()
    name = "<script>alert(1)<'\"&\x1b.png"
    (wrong / name).write_bytes((photos / "class_0" / "000.png").read_bytes())
    page = html_report(evaluate(predictor, list_labeled_images(tmp_path, predictor.classes)))
    assert "<script" not in page
    assert "\x1b" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert 'src="data:image/jpeg;base64,/9j/' in page
    assert "http" not in page.replace('http-equiv="', "")
