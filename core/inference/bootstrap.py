"""Figures of an evaluation from what is known of each picture, and how sure they are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.training.evaluation_metrics import BINS, confidence_bins

Numbers = NDArray[Any]
RESAMPLES, LEVEL, SEED = 1000, 0.95, 0
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class PictureFigures:
    """What an evaluation knows of each of N pictures."""

    labels: Numbers
    """(N,), int: the true classes."""
    predicted: Numbers
    """(N,), int."""
    confidence: Numbers
    """(N,), float: the predicted class's probability."""
    loss: Numbers
    """(N,), float: cross entropy in nats."""
    in_top5: Numbers
    """(N,), bool: whether the true class is among the five most probable."""

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, places: Numbers) -> "PictureFigures":
        """Return the figures of the pictures at `places`."""
        return PictureFigures(*(getattr(self, field.name)[places] for field in fields(self)))


def top1(pictures: PictureFigures) -> float:
    """Return the share of pictures whose most probable class is the true one."""
    return float((pictures.labels == pictures.predicted).mean())


def top5(pictures: PictureFigures) -> float:
    """Return the share of pictures whose true class is among the five most probable."""
    return float(pictures.in_top5.mean())


def loss(pictures: PictureFigures) -> float:
    """Return the mean cross entropy, in nats."""
    return float(pictures.loss.mean())


def macro_f1(pictures: PictureFigures) -> float:
    """Return the mean F1 of the classes that have pictures."""
    size = int(max(pictures.labels.max(), pictures.predicted.max())) + 1
    support = np.bincount(pictures.labels, minlength=size)
    predicted = np.bincount(pictures.predicted, minlength=size)
    right = pictures.labels == pictures.predicted
    correct = np.bincount(pictures.labels[right], minlength=size)
    there = support > 0
    return float((2 * correct[there] / (support + predicted)[there]).mean())


def ece(pictures: PictureFigures) -> float:
    """Return the expected calibration error over BINS bins of equal width (Guo et al., On
    Calibration of Modern Neural Networks, 2017)."""
    bins = confidence_bins(pictures.confidence)
    right = (pictures.labels == pictures.predicted).astype(np.float64)
    gaps = np.bincount(bins, weights=right - pictures.confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(pictures))


FIGURES: Mapping[str, Callable[[PictureFigures], float]] = {
    "top1": top1,
    "top5": top5,
    "loss": loss,
    "macro_f1": macro_f1,
    "ece": ece,
}


def point_estimates(pictures: PictureFigures) -> dict[str, float]:
    """Return every figure of at least one picture, by its name in FIGURES."""
    return {name: figure(pictures) for name, figure in FIGURES.items()}


def intervals(
    pictures: PictureFigures, resamples: int = RESAMPLES, level: float = LEVEL, seed: int = SEED
) -> dict[str, Interval]:
    """Return what each figure's value may well be for other pictures of the same kind.

    Percentile bootstrap over pictures (Efron and Tibshirani, An Introduction to the Bootstrap,
    1993, chapter 13): drawn anew, with replacement, `resamples` times by `seed`.
    """
    drawn = [point_estimates(pictures.take(p)) for p in _draws(len(pictures), resamples, seed)]
    return {name: _between([one[name] for one in drawn], level) for name in FIGURES}


def difference_intervals(
    one: PictureFigures,
    other: PictureFigures,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = SEED,
) -> dict[str, Interval]:
    """Return the same for `other`'s figures less those of `one`, both of the same pictures in the
    same order: each draw has the same pictures on both sides."""
    drawn = []
    for places in _draws(len(one), resamples, seed):
        before, after = point_estimates(one.take(places)), point_estimates(other.take(places))
        drawn.append({name: after[name] - before[name] for name in FIGURES})
    return {name: _between([each[name] for each in drawn], level) for name in FIGURES}


def _draws(count: int, resamples: int, seed: int) -> "list[Numbers] | Any":
    generator = np.random.default_rng(seed)
    return (generator.integers(0, count, count) for _ in range(resamples))


def _between(values: list[float], level: float) -> Interval:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
