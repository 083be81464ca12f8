"""Evaluation metrics agree with scikit-learn and torchmetrics."""

import csv
import math
import shutil
from pathlib import Path

import fsspec
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
from core.analysis.class_metrics import ClassificationReport
from core.common.errors import SetupError
from core.data.sources import parse_location
from core.inference.bootstrap import (
    METRICS,
    PerImageResults,
    confidence_intervals,
    difference_intervals,
    point_estimates,
)
from core.inference.evaluate import PerImageMetrics, evaluate
from core.inference.export.export import export
from core.inference.export.target import ExportTarget
from core.inference.html_report import html_report
from core.inference.labeled_images import list_labeled_images
from core.training.evaluation_metrics import BINS
from core.training.metrics import cross_entropy


def random_pass(
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
        metrics.add_samples(loss, logits[some], labels[some], torch.arange(count)[some])
    return logits, labels, metrics


@given(st.integers(1, 200), st.integers(2, 12), st.integers(0, 999), st.integers(1, 64))
@settings(max_examples=60)
def test_metrics_agree_with_scikit_learn_and_torchmetrics(
    count: int, classes: int, seed: int, batch: int
) -> None:
    logits, labels, metrics = random_pass(count, classes, seed, batch)
    found = point_estimates(metrics.per_image())
    # In double precision: in single precision softmax may make two classes equal.
    probabilities, guesses = logits.double().softmax(dim=1), logits.argmax(dim=1)
    present = sorted(set(labels.tolist()))
    top5 = multiclass_accuracy(logits, labels, classes, "micro", top_k=min(5, classes))
    error = multiclass_calibration_error(probabilities, labels, classes, BINS)
    expected = {
        "top1": sk.accuracy_score(labels, guesses),
        "top5": float(top5),
        "loss": sk.log_loss(labels, probabilities, labels=range(classes)),
        "macro_f1": sk.f1_score(labels, guesses, labels=present, average="macro", zero_division=0),
        "ece": float(error),
    }
    assert found == pytest.approx(expected, abs=2e-6)
    evaluation = ClassificationReport(metrics.event(), [])
    assert evaluation.macro_f1 == pytest.approx(found["macro_f1"])
    assert evaluation.calibration_error == pytest.approx(found["ece"], abs=1e-6 * BINS)


def results_of(correct: list[bool]) -> PerImageResults:
    labels = np.zeros(len(correct), int)
    predicted = np.where(correct, 0, 1)
    half = np.full(len(correct), 0.5)
    return PerImageResults(labels, predicted, half, half, np.array(correct))


def test_intervals_have_their_nominal_coverage() -> None:
    generator = np.random.default_rng(3)
    covered = 0
    for trial in range(100):
        results = results_of(list(generator.random(150) < 0.7))
        low, high = confidence_intervals(results, 200, seed=trial)["top1"]
        covered += low <= 0.7 <= high
    assert 88 <= covered <= 100


def test_intervals_are_reproducible_by_seed() -> None:
    results = results_of([True] * 30 + [False] * 20)
    assert confidence_intervals(results, 50, seed=1) == confidence_intervals(results, 50, seed=1)
    assert confidence_intervals(results, 50, seed=1) != confidence_intervals(results, 50, seed=2)
    low, high = confidence_intervals(results)["top1"]
    assert low < 0.6 < high and high - low == pytest.approx(
        2 * 1.96 * math.sqrt(0.24 / 50), rel=0.2
    )


def test_difference_intervals_are_paired() -> None:
    baseline = results_of([True] * 60 + [False] * 40)
    assert set(difference_intervals(baseline, baseline).values()) == {(0.0, 0.0)}
    better = results_of([True] * 80 + [False] * 20)
    low, high = difference_intervals(baseline, better)["top1"]
    assert 0.1 < low < 0.2 < high < 0.3


@pytest.fixture(scope="module")
def predictor(trained: Path) -> Predictor:
    return Predictor(load_run(trained), device="cpu")


def test_evaluation_agrees_with_predictions(photos: Path, predictor: Predictor) -> None:
    images = list_labeled_images(photos, predictor.classes)
    result = evaluate(predictor, images)
    probabilities = predictor.predict(images.paths)
    guesses = probabilities.argmax(axis=1)
    assert result.predicted == guesses.tolist()
    assert result.metrics["top1"] == sk.accuracy_score(images.labels, guesses)
    assert result.matrix == sk.confusion_matrix(images.labels, guesses).tolist()
    per_class = result.to_dict()["per_class"]
    expected = sk.precision_recall_fscore_support(images.labels, guesses, zero_division=np.nan)
    for label, row in enumerate(per_class):
        assert row["recall"] == pytest.approx(expected[1][label])
        assert row["support"] == expected[3][label]


def test_flip_averages_an_image_and_its_mirror_image(photos: Path, predictor: Predictor) -> None:
    images = list_labeled_images(photos, predictor.classes)
    result = evaluate(predictor, images, tta="flip")
    inputs = torch.stack([predictor.transform(Image.open(path)) for path in images.paths])
    both = [predictor.logits(one).double().softmax(dim=1) for one in (inputs, inputs.flip(3))]
    assert result.tta is not None
    expected = sk.log_loss(images.labels, (both[0] + both[1]) / 2)
    assert result.tta.metrics["loss"] == pytest.approx(expected, rel=1e-4)
    plain = result.metrics["loss"]
    assert result.tta.differences["loss"] == pytest.approx(expected - plain, abs=1e-4)


@pytest.mark.parametrize("kind", ["five-crop", "multi-scale"])
def test_tta_does_not_change_the_plain_metrics(
    kind: str, photos: Path, predictor: Predictor
) -> None:
    images = list_labeled_images(photos, predictor.classes)
    plain, with_views = evaluate(predictor, images), evaluate(predictor, images, kind)
    assert with_views.metrics == plain.metrics
    assert with_views.tta is not None
    assert with_views.tta.metrics != plain.metrics
    assert with_views.tta.metrics.keys() == METRICS.keys()


def test_unreadable_images_are_reported_and_left_out(
    photos: Path, predictor: Predictor, tmp_path: Path
) -> None:
    for label in range(2):
        folder = tmp_path / f"class_{label}"
        folder.mkdir()
        (folder / "good.png").write_bytes((photos / f"class_{label}" / "000.png").read_bytes())
    (tmp_path / "class_0" / "truncated.png").write_bytes(b"\x89PNG")
    result = evaluate(predictor, list_labeled_images(tmp_path, predictor.classes))
    assert result.labels == [0, 1]
    ((path, error),) = result.unreadable
    assert path.endswith("truncated.png") and error
    for file in tmp_path.glob("*/good.png"):
        file.write_bytes(b"")
    with pytest.raises(SetupError, match="no image in it can be read"):
        evaluate(predictor, list_labeled_images(tmp_path, predictor.classes))


def test_images_that_the_run_was_trained_on_are_counted_and_left_out_beside(
    trained: Path, photos: Path, tmp_path: Path
) -> None:
    predictor = Predictor(load_run(trained), device="cpu")
    with (trained / "split.csv").open(newline="") as file:
        train = [row["path"] for row in csv.DictReader(file) if row["split"] == "train"]
    others = sorted({str(p.relative_to(photos)) for p in photos.rglob("*.png")} - set(train))
    for number, path in enumerate([*train[:3], *others]):
        copy = tmp_path / "mixed" / Path(path).parent / f"copy {number}.png"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photos / path, copy)
        if number >= 3:
            copy = tmp_path / "unseen" / Path(path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(photos / path, copy)
    mixed, unseen = (
        evaluate(predictor, list_labeled_images(tmp_path / name, predictor.classes))
        for name in ("mixed", "unseen")
    )
    assert (unseen.training_images, unseen.training_note) == (0, "")
    assert mixed.training_images == 3
    assert mixed.metrics_of_others == pytest.approx(unseen.metrics)
    assert mixed.training_note.startswith("the run was trained on 3 of these images; on the other ")
    assert mixed.training_note in html_report(mixed)
    all_of_them = evaluate(predictor, list_labeled_images(photos, predictor.classes))
    assert all_of_them.training_images == len(train)
    fsspec.filesystem("memory").put(str(photos), "/trained", recursive=True)
    remote = list_labeled_images(parse_location("memory://trained"), predictor.classes)
    assert evaluate(predictor, remote).training_images == len(train)


def test_a_network_of_nan_predicts_nothing(trained: Path, photos: Path, tmp_path: Path) -> None:
    run = load_run(trained)
    with torch.no_grad():
        next(iter(run.model.parameters())).fill_(math.nan)
    predictor = Predictor(run, device="cpu")
    image = str(next(photos.rglob("*.png")))
    for use in (
        lambda: predictor.predict([image]),
        lambda: evaluate(predictor, list_labeled_images(photos, predictor.classes)),
        lambda: export(run, ExportTarget("safetensors", tmp_path / "m.safetensors"), [image]),
    ):
        with pytest.raises(SetupError, match=r"best.pt.*: the output of the network is not finite"):
            use()
    assert list(tmp_path.iterdir()) == []


def test_split_folders_are_found_by_name(tmp_path: Path) -> None:
    for name in ("train/a", "validation/a", "test/b"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / f"{name[0]}.png").touch()
    names = {
        split: [Path(path).name for path in list_labeled_images(tmp_path, ["a", "b"], split).paths]
        for split in (None, "val", "train")
    }
    assert names == {None: ["t.png"], "val": ["v.png"], "train": ["t.png"]}
    assert list_labeled_images(tmp_path / "test", ["a", "b"]).labels == [1]


@pytest.mark.parametrize(
    ("classes", "split", "message"),
    [
        (["x"], None, r"contains neither a folder of one of the run's classes"),
        (["a"], None, "not classes of this run: b; the run's classes are a"),
        (["a", "b"], "test", "has no folder test/"),
    ],
)
def test_folders_that_are_not_classes_are_refused(
    classes: list[str], split: str | None, message: str, tmp_path: Path
) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").touch()
    with pytest.raises(SetupError, match=message):
        list_labeled_images(tmp_path, classes, split)


def test_html_report_is_self_contained_and_escapes_names(
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
