"""The monitored metric: decides early stopping, plateau and best epoch, each in its direction."""

import math
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from core.config.phases_section import PhaseConfig
from core.events import types as ev
from core.run.early_stopping import EarlyStopping
from core.run.monitors import MONITORS
from core.training.evaluation_metrics import EvaluationMetrics
from core.training.metrics import PassResult
from core.training.train_state import Best
from tests.core.engine_kit import Trained, small_config, train
from tests.make_images import make_images

FULL = ("phases.head.epochs=0", "phases.full.epochs=8", "phases.full.early_stopping.patience=3")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("photos"), classes=3, per_class=10, size=32)


def course(photos: Path, folder: Path, *overrides: str) -> Trained:
    """Train on scripted results: top-1 rises until epoch 3, the loss falls until epoch 2."""
    results = [
        PassResult(loss=loss, top1=top1, top5=1.0, count=10)
        for loss, top1 in ((2.0, 0.1), (1.0, 0.3), (1.5, 0.6), *[(3.0, 0.5)] * 5)
    ]
    return train(small_config(photos, *FULL, *overrides), folder, val_results=results)


def test_the_config_offers_every_metric() -> None:
    assert set(get_args(PhaseConfig.model_fields["monitor"].annotation)) == {"auto", *MONITORS}
    assert MONITORS.keys() <= ev.EpochEnded.__dataclass_fields__.keys()


def test_the_loss_stops_and_the_accuracy_chooses_the_best_epoch_by_default(
    photos: Path, tmp_path: Path
) -> None:
    epochs = course(photos, tmp_path).of(ev.EpochEnded)
    assert len(epochs) == 5, "three epochs without a lower loss"
    assert [e.epoch for e in epochs if e.best] == [1, 2, 3]


def test_an_accuracy_is_monitored_upwards(photos: Path, tmp_path: Path) -> None:
    trained = course(photos, tmp_path, "phases.full.monitor=val_top1")
    epochs = trained.of(ev.EpochEnded)
    assert len(epochs) == 6
    assert [e.bad_epochs for e in epochs] == [0, 0, 0, 1, 2, 3]
    assert {e.monitor for e in epochs} == {"val_top1"}
    assert epochs[-1].monitor_best == 0.6
    assert [e.lr for e in epochs][:3] == [epochs[0].lr] * 3


def test_a_loss_also_chooses_the_best_epoch_if_it_is_monitored(
    photos: Path, tmp_path: Path
) -> None:
    epochs = course(photos, tmp_path, "phases.full.monitor=val_loss").of(ev.EpochEnded)
    assert [e.epoch for e in epochs if e.best] == [1, 2]
    assert [e.epoch for e in epochs if e.phase_best] == [1, 2]


@pytest.mark.parametrize("monitor", ["macro_f1", "balanced_accuracy"])
def test_metrics_by_class_are_those_of_the_validation_pass(
    monitor: str, photos: Path, tmp_path: Path
) -> None:
    config = small_config(photos, f"phases.head.monitor={monitor}", "phases.full.epochs=0")
    trained = train(config, tmp_path)
    epochs, evaluated = trained.of(ev.EpochEnded), trained.of(ev.Evaluated)
    for epoch, report in zip(epochs, evaluated, strict=True):
        recalls = [c / s for c, s in zip(report.correct, report.support, strict=True) if s]
        assert epoch.balanced_accuracy == pytest.approx(sum(recalls) / len(recalls))
        assert 0 <= epoch.macro_f1 <= 1
    assert epochs[-1].monitor_best == max(getattr(epoch, monitor) for epoch in epochs)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40))
def test_metrics_by_class_equal_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    labels, predicted = np.array(pairs).T
    metrics = EvaluationMetrics([""] * len(pairs))
    logits = torch.nn.functional.one_hot(torch.tensor(predicted), 5).float()
    metrics.add_samples(torch.tensor(1.0), logits, torch.tensor(labels), torch.arange(len(pairs)))
    present = sorted(set(labels.tolist()))
    f1 = f1_score(labels, predicted, labels=present, average="macro", zero_division=0)
    recalls = [np.mean(predicted[labels == label] == label) for label in present]
    assert metrics.class_means() == pytest.approx((f1, np.mean(recalls)))


def test_without_images_there_are_no_metrics_by_class() -> None:
    assert all(map(math.isnan, EvaluationMetrics([]).class_means()))


def best(**values: float) -> Best:
    known = {"val_top1": 0.5, "val_top5": 1.0, "val_loss": 1.0, **values}
    return Best("full", 1, **known)


@pytest.mark.parametrize(
    ("better", "worse", "monitor"),
    [
        (best(val_top1=0.6, val_loss=9.0), best(), "val_top1"),
        (best(val_loss=0.9), best(), "val_top1"),
        (best(val_top1=0.1, val_loss=0.9), best(), "val_loss"),
        (best(val_top1=0.1, macro_f1=0.4), best(macro_f1=0.3), "macro_f1"),
        (best(macro_f1=0.4), best(), "macro_f1"),
        (best(balanced_accuracy=0.4), best(balanced_accuracy=0.1), "balanced_accuracy"),
    ],
)
def test_the_better_epoch_wins_in_the_direction_of_the_metric(
    better: Best, worse: Best, monitor: str
) -> None:
    assert better.beats(worse, monitor)
    assert not worse.beats(better, monitor)
    assert better.beats(None, monitor)


def test_an_unknown_value_is_never_the_best() -> None:
    assert not best().beats(None, "macro_f1")
    assert not best(val_loss=math.nan).beats(None, "val_top1")


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=20),
    st.sampled_from([0.0, 0.001, 0.05]),
)
def test_an_accuracy_is_monitored_like_its_negative_as_a_loss(
    values: list[float], min_delta: float
) -> None:
    down = EarlyStopping(3, min_delta)
    up = EarlyStopping(3, min_delta, monitor="val_top1")
    for value in values:
        down, up = down.update(-value), up.update(value)
        assert up.bad_epochs == down.bad_epochs
        assert up.best == -down.best
