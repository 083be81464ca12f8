"""The result of an evaluation, and its JSON and CSV forms."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from core.analysis.class_metrics import ClassificationReport
from core.analysis.evaluation_metrics import training_images_note
from core.common.codec import to_jsonable
from core.common.left_out import left_out_text

MAX_MATRIX_CLASSES = 1000
"""The confusion matrix is included for up to this many classes."""
RESAMPLES = 1000
"""Bootstrap resamples of an interval."""
_PAIRS = 20
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class TtaResult:
    """Metrics of the same images with test-time augmentation."""

    kind: str
    metrics: Mapping[str, float]
    differences: Mapping[str, float]
    """Metrics with TTA minus those without."""
    intervals: Mapping[str, Interval]
    """95% paired-bootstrap intervals of the differences."""


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """The result of evaluating a run's model on labeled images."""

    metadata: Mapping[str, Any]
    """Run, checkpoint, its SHA-256, model, class names."""
    root: str
    split: str
    unreadable: Sequence[tuple[str, str]]
    """Paths of images that were left out, each with the reason."""
    metrics: Mapping[str, float]
    """`top1`, `top5`, `macro_f1` and `ece` from 0 to 1, `loss` in nats."""
    intervals: Mapping[str, Interval]
    """95% bootstrap intervals of the metrics."""
    labels: Sequence[int]
    """True class of each image."""
    predicted: Sequence[int]
    """Predicted class of each image."""
    evaluation: ClassificationReport
    """Metrics per class; the mistakes of its event have the paths of the most confident errors."""
    tta: TtaResult | None = None
    training_images: int = 0
    """Images whose content the run was trained on."""
    metrics_of_others: Mapping[str, float] | None = None
    """`metrics` of the images that the run was not trained on, where there are both."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Numbers of files in the class folders that are no images, by reason."""
    values_note: str = ""
    """A sentence about images whose values the run's value range doesn't hold; empty without."""

    @property
    def left_out_text(self) -> str:
        """All files that were left out, in one line; empty without any."""
        return left_out_text(self.left_out, len(self.unreadable))

    @property
    def training_note(self) -> str:
        """A sentence about training images among the evaluated ones; empty without any."""
        return training_images_note(self.training_images, len(self.labels), self.metrics_of_others)

    @property
    def matrix(self) -> list[list[int]] | None:
        """The confusion matrix, a row per true class and a column per predicted class; None above
        MAX_MATRIX_CLASSES classes."""
        size = self.evaluation.size
        if size > MAX_MATRIX_CLASSES:
            return None
        counts = Counter(zip(self.labels, self.predicted, strict=True))
        return [[counts[truth, other] for other in range(size)] for truth in range(size)]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as values of strict JSON; non-finite numbers become text."""
        name = self.evaluation.name
        content = {
            **{key: value for key, value in self.metadata.items() if key != "program"},
            "data": {
                "root": self.root,
                "part": self.split,
                "pictures": len(self.labels),
                "unreadable": [{"path": p, "error": e} for p, e in self.unreadable],
                "left_out": self.left_out,
            },
            **self.metrics,
            "intervals": self.intervals,
            "per_class": [asdict(row) for row in self.evaluation.rows],
            "confusion": self.matrix,
            "confused_pairs": [
                {**asdict(pair), "names": [name(pair.truth), name(pair.predicted)]}
                for pair in self.evaluation.pairs[:_PAIRS]
            ],
            "mistakes": [asdict(one) for one in self.evaluation.event.mistakes],
            "tta": _tta_dict(self.tta) if self.tta else None,
            "training_images": {"count": self.training_images, "others": self.metrics_of_others},
        }
        return to_jsonable(content)  # type: ignore[no-any-return]

    def to_csv(self) -> str:
        """Return a row per class: class, support, predicted, precision, recall, f1."""
        text = io.StringIO()
        # Text is always quoted: by default, csv doesn't quote a name that contains a carriage
        # return. Not pandas, which with this setting also quotes NaN.
        writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(["class", "support", "predicted", "precision", "recall", "f1"])
        for row in self.evaluation.rows:
            writer.writerow(
                [row.name, row.support, row.predicted, row.precision, row.recall, row.f1]
            )
        return text.getvalue()


def _tta_dict(tta: TtaResult) -> dict[str, Any]:
    return {
        "kind": tta.kind,
        "figures": tta.metrics,
        "differences": tta.differences,
        "intervals": tta.intervals,
    }
