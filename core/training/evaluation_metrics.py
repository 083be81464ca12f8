"""Per-class results of an evaluation pass, from the logits that its metrics use anyway."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.distributed.process_group import ProcessGroup
from core.events.evaluation_parts import CalibrationBin, Confusion, Mistake
from core.events.types import Evaluated
from core.training.kept_logits import KeptLogits
from core.training.metrics import PassResult, RunningMetrics, means, summed

BINS = 15
MAX_CONFUSIONS = 2000
"""Pairs of classes in an event: all of them up to 45 classes."""
MAX_MISTAKES = 24

_Array = NDArray[Any]


class EvaluationMetrics(RunningMetrics):
    """Running metrics that also keep the prediction and confidence of each image.

    They stay on the device until the end of the pass.
    """

    def __init__(self, paths: list[str]) -> None:
        """`paths` are those of the dataset's images."""
        super().__init__()
        self._paths = paths
        self._indices: list[Tensor] = []
        self._labels: list[Tensor] = []
        self._predicted: list[Tensor] = []
        self._confidence: list[Tensor] = []
        self._classes = 0
        self._kept = KeptLogits()

    def add_samples(
        self, mean_loss: Tensor, logits: Tensor, labels: Tensor, indices: Tensor
    ) -> None:
        """Add a batch like `add`; `indices` (N,) are those in the dataset."""
        self._indices.append(indices)
        self._kept.add(logits, labels, indices)
        self.add(mean_loss, logits, labels)

    def global_result(self, group: ProcessGroup) -> PassResult:
        """Return the means so far over all ranks, which call this together: unlike in a training
        step, the sums of a rank are those of its own shard."""
        return means(summed(group.gather(self.sums)))

    def gather(self, group: ProcessGroup) -> None:
        """Add the results of all other ranks in this pass; synchronizes with the device."""
        if group.size == 1:
            return
        self._kept.gather(group)
        columns = (self._indices, self._labels, self._predicted, self._confidence)
        sums = self.sums
        own = [_to_numpy(column) if column else None for column in columns]
        gathered = group.gather((sums, self._classes, own))
        self.sums = summed(sums for sums, _, _ in gathered)
        self._classes = max(classes for _, classes, _ in gathered)
        for number, column in enumerate(columns):
            arrays = [arrays[number] for _, _, arrays in gathered]
            column[:] = [torch.from_numpy(array) for array in arrays if array is not None]

    def observe(self, logits: Tensor, labels: Tensor, top: Tensor) -> None:
        """Keep prediction and confidence of evaluated logits."""
        # Use the prediction that counts for top-1: in bf16 the highest logits may be equal.
        predicted = top[:, :1]
        self._classes = logits.shape[1]
        self._labels.append(labels)
        self._predicted.append(predicted[:, 0])
        self._confidence.append(logits.float().softmax(dim=1).gather(1, predicted)[:, 0])

    def class_means(self) -> tuple[float, float]:
        """Return macro F1 and balanced accuracy, over the classes with images; NaN without any.
        Synchronizes with the device."""
        if not self.result().count:
            return math.nan, math.nan
        support, predicted, correct = (counts.astype(float) for counts in self._counts())
        has_images = support > 0
        f1 = 2 * correct[has_images] / (support + predicted)[has_images]
        return float(f1.mean()), float((correct[has_images] / support[has_images]).mean())

    def temperature(self) -> float:
        """Return the temperature that calibrates the predictions best, 1 without images.
        Synchronizes with the device."""
        return self._kept.temperature()

    def _counts(self) -> list[_Array]:
        """Return the images, predictions and correct predictions per class."""
        labels, predicted = _to_numpy(self._labels), _to_numpy(self._predicted)
        found = (labels, predicted, labels[labels == predicted])
        return [np.bincount(values, minlength=self._classes) for values in found]

    def take_event(self, phase: str, epoch: int) -> Evaluated | None:
        """Return the event of the pass and clear its results; None without images. Synchronizes
        with the device."""
        event = self._event(phase, epoch) if self.result().count else None
        for column in (self._indices, self._labels, self._predicted, self._confidence):
            column.clear()
        self._kept.clear()
        return event

    def _event(self, phase: str, epoch: int) -> Evaluated:
        labels, predicted = _to_numpy(self._labels), _to_numpy(self._predicted)
        indices, confidence = _to_numpy(self._indices), _to_numpy(self._confidence)
        correct = labels == predicted
        confusions, left_out = _confusions(labels[~correct], predicted[~correct], self._classes)
        counts = [values.tolist() for values in self._counts()]
        return Evaluated(
            phase=phase,
            epoch=epoch,
            support=counts[0],
            predicted=counts[1],
            correct=counts[2],
            confusions=confusions,
            confusions_left_out=left_out,
            calibration=_calibration(confidence, correct),
            mistakes=[
                Mistake(
                    self._paths[int(indices[i])],
                    int(labels[i]),
                    int(predicted[i]),
                    round(float(confidence[i]), 6),
                )
                for i in _most_confident(confidence, indices, ~correct)
            ],
        )


def _to_numpy(tensors: list[Tensor]) -> _Array:
    # Tensors of inference mode can only be converted once they are detached.
    return torch.cat([tensor.detach() for tensor in tensors]).cpu().numpy()


def _confusions(labels: _Array, predicted: _Array, classes: int) -> tuple[list[Confusion], int]:
    """Return the most frequent misclassified pairs of classes, and the images in all others."""
    # Pairs instead of a matrix, which would take gigabytes for 20,000 classes.
    pairs, counts = np.unique(labels * classes + predicted, return_counts=True)
    kept = np.argsort(-counts, kind="stable")[:MAX_CONFUSIONS]
    confusions = [
        Confusion(*divmod(int(pair), classes), int(count))
        for pair, count in zip(pairs[kept], counts[kept], strict=True)
    ]
    return confusions, int(counts.sum() - counts[kept].sum())


def _calibration(confidence: _Array, correct: _Array) -> list[CalibrationBin]:
    known = np.isfinite(confidence)
    confidence, correct = confidence[known].astype(np.float64), correct[known]
    bins = confidence_bins(confidence)
    counts = np.bincount(bins, minlength=BINS)
    sums = np.bincount(bins, weights=confidence, minlength=BINS)
    hits = np.bincount(bins[correct], minlength=BINS)
    return [
        CalibrationBin(int(count), round(float(total), 6), int(hit))
        for count, total, hit in zip(counts, sums, hits, strict=True)
    ]


def confidence_bins(confidence: _Array) -> _Array:
    """Return the bin (N,), 0 to BINS - 1, of each confidence (N,), 0 to 1; all have equal width."""
    # A bin includes its upper edge, as in the paper cited in `core.analysis.class_metrics`.
    bins: _Array = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    return bins


def _most_confident(confidence: _Array, indices: _Array, wrong: _Array) -> list[int]:
    """Return the positions of the most confident mistakes; equal ones by index in the dataset."""
    found = np.flatnonzero(wrong & np.isfinite(confidence))
    order = np.lexsort((indices[found], -confidence[found]))
    return [int(i) for i in found[order[:MAX_MISTAKES]]]
