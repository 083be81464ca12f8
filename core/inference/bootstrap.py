"""Compute evaluation metrics from per-image results, with bootstrap confidence intervals."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.inference.evaluation_result import RESAMPLES, Interval
from core.training.evaluation_metrics import BINS, confidence_bins

Array = NDArray[Any]
LEVEL, SEED = 0.95, 0


@dataclass(frozen=True, slots=True)
class PerImageResults:
    """Labels and predictions of N evaluated images."""

    labels: Array
    """(N,), int: the true classes."""
    predicted: Array
    """(N,), int: the predicted classes."""
    confidence: Array
    """(N,), float: the predicted class's probability."""
    loss: Array
    """(N,), float: cross entropy in nats."""
    in_top5: Array
    """(N,), bool: whether the true class is among the five most probable."""

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Array) -> "PerImageResults":
        """Return the results of the images at `indices`."""
        return PerImageResults(*(getattr(self, field.name)[indices] for field in fields(self)))


def top1(results: PerImageResults) -> float:
    """Return the top-1 accuracy, from 0 to 1."""
    return float((results.labels == results.predicted).mean())


def top5(results: PerImageResults) -> float:
    """Return the top-5 accuracy, from 0 to 1."""
    return float(results.in_top5.mean())


def loss(results: PerImageResults) -> float:
    """Return the mean cross entropy, in nats."""
    return float(results.loss.mean())


def macro_f1(results: PerImageResults) -> float:
    """Return the mean F1 of the classes that have images."""
    size = int(max(results.labels.max(), results.predicted.max())) + 1
    support = np.bincount(results.labels, minlength=size)
    predicted = np.bincount(results.predicted, minlength=size)
    is_correct = results.labels == results.predicted
    correct = np.bincount(results.labels[is_correct], minlength=size)
    present = support > 0
    return float((2 * correct[present] / (support + predicted)[present]).mean())


def ece(results: PerImageResults) -> float:
    """Return the expected calibration error over BINS bins of equal width (Guo et al., On
    Calibration of Modern Neural Networks, 2017)."""
    bins = confidence_bins(results.confidence)
    is_correct = (results.labels == results.predicted).astype(np.float64)
    gaps = np.bincount(bins, weights=is_correct - results.confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(results))


METRICS: Mapping[str, Callable[[PerImageResults], float]] = {
    "top1": top1,
    "top5": top5,
    "loss": loss,
    "macro_f1": macro_f1,
    "ece": ece,
}


def point_estimates(results: PerImageResults) -> dict[str, float]:
    """Return every metric of METRICS by its name; `results` holds at least one image."""
    return {name: metric(results) for name, metric in METRICS.items()}


def confidence_intervals(
    results: PerImageResults, resamples: int = RESAMPLES, level: float = LEVEL, seed: int = SEED
) -> dict[str, Interval]:
    """Return a confidence interval of every metric.

    Percentile bootstrap over images (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
    chapter 13): `resamples` draws with replacement, seeded by `seed`.
    """
    drawn = [point_estimates(results.take(i)) for i in _draws(len(results), resamples, seed)]
    return {name: _interval([one[name] for one in drawn], level) for name in METRICS}


def difference_intervals(
    baseline: PerImageResults,
    other: PerImageResults,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = SEED,
) -> dict[str, Interval]:
    """Return a confidence interval of every metric's difference, `other` minus `baseline`.

    Paired bootstrap: both hold the same images in the same order, and each draw takes the same
    images from both.
    """
    drawn = []
    for indices in _draws(len(baseline), resamples, seed):
        before = point_estimates(baseline.take(indices))
        after = point_estimates(other.take(indices))
        drawn.append({name: after[name] - before[name] for name in METRICS})
    return {name: _interval([each[name] for each in drawn], level) for name in METRICS}


def _draws(count: int, resamples: int, seed: int) -> Iterator[Array]:
    generator = np.random.default_rng(seed)
    return (generator.integers(0, count, count) for _ in range(resamples))


def _interval(values: list[float], level: float) -> Interval:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
