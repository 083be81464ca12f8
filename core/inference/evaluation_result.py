"""What an evaluation has come to, for programs: plain values, a table of classes."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core.analysis.class_metrics import Evaluation
from core.common.codec import to_jsonable

MOST_CLASSES = 1000
"""Classes up to which the confusion matrix is told as a whole."""
_PAIRS = 20
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Tta:
    """The same pictures by the mean of several views each."""

    kind: str
    figures: Mapping[str, float]
    differences: Mapping[str, float]
    """These figures less those without it."""
    intervals: Mapping[str, Interval]
    """Of the differences, by draws that have the same pictures on both sides."""


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """One evaluation of a run's network."""

    about: Mapping[str, Any]
    """Run, checkpoint, its sha256, model, class names."""
    root: str
    part: str
    unreadable: Sequence[tuple[str, str]]
    """Paths of pictures that were left out, and why."""
    figures: Mapping[str, float]
    """`top1`, `top5`, `macro_f1` and `ece` from 0 to 1, `loss` in nats."""
    intervals: Mapping[str, Interval]
    """95% bootstrap intervals of the same."""
    labels: Sequence[int]
    """True classes, a picture each."""
    predicted: Sequence[int]
    evaluation: Evaluation
    """The figures by class; its event's mistakes have the paths of the surest ones."""
    tta: Tta | None = None

    @property
    def matrix(self) -> list[list[int]] | None:
        """The confusion matrix: a row a true class, a column a predicted one; None for more than
        MOST_CLASSES classes."""
        size = self.evaluation.size
        if size > MOST_CLASSES:
            return None
        counts = Counter(zip(self.labels, self.predicted, strict=True))
        return [[counts[truth, other] for other in range(size)] for truth in range(size)]

    def to_plain(self) -> dict[str, Any]:
        """Return all of it as values of strict JSON; numbers that are not finite become text."""
        name = self.evaluation.name
        whole = {
            **{key: value for key, value in self.about.items() if key != "program"},
            "data": {
                "root": self.root,
                "part": self.part,
                "pictures": len(self.labels),
                "unreadable": [{"path": p, "error": e} for p, e in self.unreadable],
            },
            **self.figures,
            "intervals": self.intervals,
            "per_class": [asdict(row) for row in self.evaluation.rows],
            "confusion": self.matrix,
            "confused_pairs": [
                {**asdict(pair), "names": [name(pair.truth), name(pair.predicted)]}
                for pair in self.evaluation.pairs[:_PAIRS]
            ],
            "mistakes": [asdict(one) for one in self.evaluation.event.mistakes],
            "tta": asdict(self.tta) if self.tta else None,
        }
        return to_jsonable(whole)  # type: ignore[no-any-return]

    def to_csv(self) -> str:
        """Return the classes: name, support, predicted, precision, recall, f1."""
        text = io.StringIO()
        # Quoted always: left to itself, csv doesn't quote a name for a carriage return in it.
        writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(["class", "support", "predicted", "precision", "recall", "f1"])
        for row in self.evaluation.rows:
            writer.writerow(
                [row.name, row.support, row.predicted, row.precision, row.recall, row.f1]
            )
        return text.getvalue()
