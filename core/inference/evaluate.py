"""A run's network on pictures of known classes."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core.analysis.class_metrics import Evaluation
from core.common.text import printable
from core.events.types import Evaluated, Event
from core.inference.bootstrap import (
    PictureFigures,
    difference_intervals,
    intervals,
    point_estimates,
)
from core.inference.evaluation_result import EvaluationResult, Tta
from core.inference.labeled_images import Labelled, LabelledError
from core.inference.predict import about
from core.inference.predictor import Predictor, ReadPicture
from core.inference.tta import augmentation
from core.training.evaluation_metrics import EvaluationMetrics
from core.training.metrics import TOP_K, cross_entropy


class PictureMetrics(EvaluationMetrics):
    """An evaluation's metrics that also keep what is known of each picture."""

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__(list(paths))
        self._parts: list[tuple[Tensor, ...]] = []

    def _look(self, logits: Tensor, labels: Tensor, top: Tensor) -> None:
        super()._look(logits, labels, top)
        predicted = top[:, :1]
        loss = F.cross_entropy(logits.float(), labels, reduction="none")
        confidence = logits.float().softmax(dim=1).gather(1, predicted)[:, 0]
        hit = (top[:, :TOP_K] == labels[:, None]).any(dim=1)
        self._parts.append((labels, predicted[:, 0], confidence, loss, hit))

    def figures(self) -> PictureFigures:
        """Return what is known of each picture, in the order in which they came."""
        self.result()  # what waits to be looked at is
        columns = [torch.cat(parts).cpu().numpy() for parts in zip(*self._parts, strict=True)]
        labels, predicted, confidence, loss, hit = columns
        return PictureFigures(
            labels, predicted, confidence.astype(np.float64), loss.astype(np.float64), hit
        )

    def event(self) -> Evaluated:
        """Return the whole as what a validation pass tells of its classes."""
        told: list[Event] = []
        self.tell("evaluate", 0, told.append)
        (event,) = told
        assert isinstance(event, Evaluated)
        return event


def evaluate(
    predictor: Predictor,
    pictures: Labelled,
    tta: str | None = None,
    on_pictures: Callable[[int], object] = lambda count: None,
) -> EvaluationResult:
    """Return how well a run's network tells the classes of pictures apart.

    `tta` is one of `core.inference.tta.KINDS`: the same pictures are then also evaluated by the
    mean of several views. `on_pictures` is told how many more are done. Pictures that can't be
    read are named and left out. Raises LabelledError when none can be read.
    """
    kind = augmentation(tta, predictor.run) if tta else None
    plain = PictureMetrics(pictures.paths)
    averaged = PictureMetrics(pictures.paths)
    unreadable: list[tuple[str, str]] = []
    first = 0
    for group in predictor.read(pictures.paths, kind.views if kind else None):
        places = [first + n for n, one in enumerate(group) if one.views]
        unreadable += [(one.picture, one.error) for one in group if not one.views]
        if places:
            logits = _logits(predictor, [one for one in group if one.views])
            _add(plain, logits[0], pictures, places)
            if kind:
                _add(averaged, _mean(logits[kind.averaged]), pictures, places)
        first += len(group)
        on_pictures(len(group))
    if len(unreadable) == len(pictures.paths):
        where = printable(str(pictures.root))
        raise LabelledError(f"{where}: no picture in it can be read ({unreadable[0][1]})")
    return _result(predictor, pictures, plain, (tta, averaged) if tta else None, unreadable)


def _logits(predictor: Predictor, group: list[ReadPicture[str]]) -> list[Tensor]:
    views = zip(*(one.views for one in group), strict=True)
    return [predictor.logits(torch.stack(view)) for view in views]


def _mean(logits: Sequence[Tensor]) -> Tensor:
    """Return logits whose softmax is the mean of the softmaxes of these."""
    return torch.stack(list(logits)).log_softmax(dim=2).logsumexp(dim=0)


def _add(metrics: PictureMetrics, logits: Tensor, of: Labelled, places: list[int]) -> None:
    labels = torch.tensor([of.labels[place] for place in places])
    loss = cross_entropy(logits, labels)
    metrics.add_images(loss, logits, labels, torch.tensor(places))


def _result(
    predictor: Predictor,
    pictures: Labelled,
    plain: PictureMetrics,
    tta: tuple[str, PictureMetrics] | None,
    unreadable: list[tuple[str, str]],
) -> EvaluationResult:
    figures = plain.figures()
    return EvaluationResult(
        about=about(predictor.run),
        root=str(pictures.root),
        part=pictures.part,
        unreadable=unreadable,
        figures=point_estimates(figures),
        intervals=intervals(figures),
        labels=figures.labels.tolist(),
        predicted=figures.predicted.tolist(),
        evaluation=Evaluation(plain.event(), predictor.classes),
        tta=_compared(tta[0], figures, tta[1].figures()) if tta else None,
    )


def _compared(kind: str, plain: PictureFigures, averaged: PictureFigures) -> Tta:
    before, after = point_estimates(plain), point_estimates(averaged)
    return Tta(
        kind=kind,
        figures=after,
        differences={name: after[name] - before[name] for name in after},
        intervals=difference_intervals(plain, averaged),
    )
