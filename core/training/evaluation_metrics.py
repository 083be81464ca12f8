"""What a validation pass tells of each class, from the logits that its metrics look at anyway."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.distributed.process_group import ProcessGroup
from core.events.emitter import Emit
from core.events.evaluation_parts import CalibrationBin, Confusion, Mistake
from core.events.types import Evaluated
from core.training.metrics import PassResult, RunningMetrics, means, summed

BINS = 15
MAX_CONFUSIONS = 2000
"""Pairs of classes that are told: up to 45 classes those are all."""
MAX_MISTAKES = 24

_Numbers = NDArray[Any]


class EvaluationMetrics(RunningMetrics):
    """Running metrics that also keep each picture's prediction and its confidence.

    They stay on the device until they are told, once after the pass.
    """

    def __init__(self, paths: list[str]) -> None:
        """`paths` are those of the data set's pictures."""
        super().__init__()
        self._paths = paths
        self._places: list[Tensor] = []
        self._labels: list[Tensor] = []
        self._predicted: list[Tensor] = []
        self._confidence: list[Tensor] = []
        self._classes = 0

    def add_images(self, mean_loss: Tensor, logits: Tensor, labels: Tensor, places: Tensor) -> None:
        """Take in a batch as `add` does; `places` (N,) are those in the data set."""
        self._places.append(places)
        self.add(mean_loss, logits, labels)

    def global_result(self, group: ProcessGroup) -> PassResult:
        """Return the means so far over all ranks, which call this together: unlike a training
        step's, a rank's figures are of its own share."""
        return means(summed(group.gather(self.sums)))

    def gather(self, group: ProcessGroup) -> None:
        """Take in what the other ranks have seen in this pass; this waits for the device."""
        if group.size == 1:
            return
        parts = (self._places, self._labels, self._predicted, self._confidence)
        sums = self.sums
        own = [_together(part) if part else None for part in parts]
        everyone = group.gather((sums, self._classes, own))
        self.sums = summed(sums for sums, _, _ in everyone)
        self._classes = max(classes for _, classes, _ in everyone)
        for place, part in enumerate(parts):
            seen = [columns[place] for _, _, columns in everyone]
            part[:] = [torch.from_numpy(column) for column in seen if column is not None]

    def _look(self, logits: Tensor, labels: Tensor, top: Tensor) -> None:
        # The prediction that top-1 counts: with bf16 the highest logits may well be equal.
        predicted = top[:, :1]
        self._classes = logits.shape[1]
        self._labels.append(labels)
        self._predicted.append(predicted[:, 0])
        self._confidence.append(logits.float().softmax(dim=1).gather(1, predicted)[:, 0])

    def tell(self, phase: str, epoch: int, emit: Emit) -> None:
        """Tell what the pass has come to, if there was a picture in it, and forget it. This waits
        for the device."""
        if self.result().count:
            emit(self._evaluated(phase, epoch))
        for parts in (self._places, self._labels, self._predicted, self._confidence):
            parts.clear()

    def _evaluated(self, phase: str, epoch: int) -> Evaluated:
        labels, predicted = _together(self._labels), _together(self._predicted)
        places, confidence = _together(self._places), _together(self._confidence)
        right = labels == predicted
        confusions, left_out = _confusions(labels[~right], predicted[~right], self._classes)
        counts = [
            np.bincount(found, minlength=self._classes).tolist()
            for found in (labels, predicted, labels[right])
        ]
        return Evaluated(
            phase=phase,
            epoch=epoch,
            support=counts[0],
            predicted=counts[1],
            correct=counts[2],
            confusions=confusions,
            confusions_left_out=left_out,
            calibration=_calibration(confidence, right),
            mistakes=[
                Mistake(
                    self._paths[int(places[i])],
                    int(labels[i]),
                    int(predicted[i]),
                    round(float(confidence[i]), 6),
                )
                for i in _most_confident(confidence, places, ~right)
            ],
        )


def _together(parts: list[Tensor]) -> _Numbers:
    # Also out of inference mode, whose tensors numpy takes like any other.
    return torch.cat([part.detach() for part in parts]).cpu().numpy()


def _confusions(labels: _Numbers, predicted: _Numbers, classes: int) -> tuple[list[Confusion], int]:
    """Return the most frequent mistakes by pair of classes, and the pictures in all others."""
    # Pairs and not a whole matrix: that of 20,000 classes would fill gigabytes.
    pairs, counts = np.unique(labels * classes + predicted, return_counts=True)
    kept = np.argsort(-counts, kind="stable")[:MAX_CONFUSIONS]
    confusions = [
        Confusion(*divmod(int(pair), classes), int(count))
        for pair, count in zip(pairs[kept], counts[kept], strict=True)
    ]
    return confusions, int(counts.sum() - counts[kept].sum())


def _calibration(confidence: _Numbers, right: _Numbers) -> list[CalibrationBin]:
    known = np.isfinite(confidence)
    confidence, right = confidence[known].astype(np.float64), right[known]
    bins = confidence_bins(confidence)
    counts = np.bincount(bins, minlength=BINS)
    sums = np.bincount(bins, weights=confidence, minlength=BINS)
    hits = np.bincount(bins[right], minlength=BINS)
    return [
        CalibrationBin(int(count), round(float(total), 6), int(hit))
        for count, total, hit in zip(counts, sums, hits, strict=True)
    ]


def confidence_bins(confidence: _Numbers) -> _Numbers:
    """Return the bin (N,), 0 to BINS - 1, of each confidence (N,), 0 to 1: BINS of equal width."""
    # A bin has its upper edge, as in the paper that `core.analysis.class_metrics` names.
    bins: _Numbers = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    return bins


def _most_confident(confidence: _Numbers, places: _Numbers, wrong: _Numbers) -> list[int]:
    """Return where the most confident mistakes are; among equals by place in the data set."""
    found = np.flatnonzero(wrong & np.isfinite(confidence))
    order = np.lexsort((places[found], -confidence[found]))
    return [int(i) for i in found[order[:MAX_MISTAKES]]]
