"""Evaluate a run's model on labeled images."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core.analysis.class_metrics import ClassificationReport
from core.common.text import printable
from core.events.types import Evaluated
from core.inference.bootstrap import (
    PerImageResults,
    confidence_intervals,
    difference_intervals,
    point_estimates,
)
from core.inference.evaluation_result import EvaluationResult, TtaResult
from core.inference.labeled_images import LabeledImages, LabeledImagesError
from core.inference.predict import run_metadata
from core.inference.predictor import DecodedImage, Predictor
from core.inference.training_images import are_training_images
from core.inference.tta import make_tta
from core.training.evaluation_metrics import EvaluationMetrics
from core.training.metrics import TOP_K, cross_entropy


class PerImageMetrics(EvaluationMetrics):
    """Evaluation metrics that also keep the results of each image."""

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__(list(paths))
        self._batches: list[tuple[Tensor, ...]] = []

    def observe(self, logits: Tensor, labels: Tensor, top: Tensor) -> None:
        """Keep the results of a batch."""
        super().observe(logits, labels, top)
        predicted = top[:, :1]
        loss = F.cross_entropy(logits.float(), labels, reduction="none")
        confidence = logits.float().softmax(dim=1).gather(1, predicted)[:, 0]
        hit = (top[:, :TOP_K] == labels[:, None]).any(dim=1)
        self._batches.append((labels, predicted[:, 0], confidence, loss, hit))

    def per_image(self) -> PerImageResults:
        """Return the results of each image, in the order in which they were added."""
        self.result()  # includes the batch that is still pending
        columns = [torch.cat(column).cpu().numpy() for column in zip(*self._batches, strict=True)]
        labels, predicted, confidence, loss, hit = columns
        return PerImageResults(
            labels, predicted, confidence.astype(np.float64), loss.astype(np.float64), hit
        )

    def event(self) -> Evaluated:
        """Return the results by class as the event of a validation pass."""
        event = self.take_event("evaluate", 0)
        assert event is not None
        return event


def evaluate(
    predictor: Predictor,
    images: LabeledImages,
    tta: str | None = None,
    on_images: Callable[[int], object] = lambda count: None,
) -> EvaluationResult:
    """Evaluate a run's model on labeled images.

    `tta`, one of `core.inference.tta.TTA`, also evaluates with test-time augmentation. `on_images`
    is called with the number of images of each finished batch. Unreadable images are reported and
    left out. Raises LabeledImagesError if none can be read.
    """
    augmentation = make_tta(tta, predictor.run) if tta else None
    plain = PerImageMetrics(images.paths)
    averaged = PerImageMetrics(images.paths)
    unreadable: list[tuple[str, str]] = []
    readable: list[int] = []
    first = 0
    for batch in predictor.read(images.paths, augmentation.views if augmentation else None):
        indices = [first + n for n, one in enumerate(batch) if one.views]
        readable += indices
        unreadable += [(one.image, one.error) for one in batch if not one.views]
        if indices:
            logits = _logits(predictor, [one for one in batch if one.views])
            _add(plain, logits[0], images, indices)
            if augmentation:
                _add(averaged, _mean(logits[augmentation.averaged]), images, indices)
        first += len(batch)
        on_images(len(batch))
    if len(unreadable) == len(images.paths):
        root = printable(str(images.root))
        raise LabeledImagesError(f"{root}: no image in it can be read ({unreadable[0][1]})")
    result = _result(predictor, images, plain, (tta, averaged) if tta else None, unreadable)
    paths = [images.paths[index] for index in readable]
    trained_on = np.array(are_training_images(predictor.run.folder, images.root, paths))
    count = int(trained_on.sum())
    others = plain.per_image().take(~trained_on)
    metrics = point_estimates(others) if 0 < count < len(paths) else None
    return replace(result, training_images=count, metrics_of_others=metrics)


def _logits(predictor: Predictor, batch: list[DecodedImage[str]]) -> list[Tensor]:
    views = zip(*(one.views for one in batch), strict=True)
    return [predictor.logits(torch.stack(view)) for view in views]


def _mean(logits: Sequence[Tensor]) -> Tensor:
    """Return logits whose softmax is the mean of the softmaxes of `logits`."""
    return torch.stack(list(logits)).log_softmax(dim=2).logsumexp(dim=0)


def _add(
    metrics: PerImageMetrics, logits: Tensor, images: LabeledImages, indices: list[int]
) -> None:
    labels = torch.tensor([images.labels[index] for index in indices])
    loss = cross_entropy(logits, labels)
    metrics.add_samples(loss, logits, labels, torch.tensor(indices))


def _result(
    predictor: Predictor,
    images: LabeledImages,
    plain: PerImageMetrics,
    tta: tuple[str, PerImageMetrics] | None,
    unreadable: list[tuple[str, str]],
) -> EvaluationResult:
    results = plain.per_image()
    return EvaluationResult(
        metadata=run_metadata(predictor.run),
        root=str(images.root),
        split=images.split,
        unreadable=unreadable,
        metrics=point_estimates(results),
        intervals=confidence_intervals(results),
        labels=results.labels.tolist(),
        predicted=results.predicted.tolist(),
        evaluation=ClassificationReport(plain.event(), predictor.classes),
        tta=_compare(tta[0], results, tta[1].per_image()) if tta else None,
        left_out=images.left_out.by_reason(),
        values_note=predictor.values_note,
    )


def _compare(kind: str, plain: PerImageResults, averaged: PerImageResults) -> TtaResult:
    before, after = point_estimates(plain), point_estimates(averaged)
    return TtaResult(
        kind=kind,
        metrics=after,
        differences={name: after[name] - before[name] for name in after},
        intervals=difference_intervals(plain, averaged),
    )
