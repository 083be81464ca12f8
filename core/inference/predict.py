"""Predictions for any number of pictures into a file, going on where an earlier call stopped."""

import csv
import io
import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.common.files import write_atomically
from core.common.version import __version__
from core.inference.prediction_rows import Row
from core.inference.resumable_output import OutFile

if TYPE_CHECKING:
    from core.inference.predictor import Prediction, Predictor
    from core.inference.trained_run import TrainedRun

_ROWS_AT_ONCE = 32


@dataclass(slots=True)
class Tally:
    """How many rows there are."""

    done_before: int = 0
    written: int = 0
    unreadable: int = 0
    """Among all of them."""

    @property
    def rows(self) -> int:
        """All rows that are in the file."""
        return self.done_before + self.written


@dataclass(slots=True)
class Sample:
    """A few rows of any number, each with the same chance (reservoir sampling: Vitter, Random
    Sampling with a Reservoir, 1985, algorithm R)."""

    most: int
    seed: int = 0
    rows: list[Row] = field(default_factory=list)
    seen: int = 0
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def add(self, row: Row) -> None:
        """Take a row into account."""
        self.seen += 1
        if len(self.rows) < self.most:
            self.rows.append(row)
        elif (place := self._random.randrange(self.seen)) < self.most:
            self.rows[place] = row


def about(run: "TrainedRun") -> Mapping[str, Any]:
    """Return what predictions come from, as plain values."""
    return {
        "program": "convnext-tui",
        "version": __version__,
        "run": run.folder.id,
        "checkpoint": run.checkpoint.name,
        "sha256": run.sha256,
        "model": run.config.model.name,
        "classes": list(run.classes),
    }


def about_rows(predictor: "Predictor") -> Mapping[str, Any]:
    """Return the same, with what else decides a prediction's digits."""
    precision = "bf16" if predictor.compute.bf16 else "fp32"
    return {**about(predictor.run), "precision": precision}


def to_row(prediction: "Prediction[str]", classes: tuple[str, ...], top: int) -> Row:
    """Return a prediction as a row with its `top` most probable classes."""
    found = prediction.probabilities
    if found is None:
        return Row(prediction.picture, (), prediction.error)
    order = (-found).argsort(kind="stable")[:top]
    return Row(prediction.picture, [(classes[label], float(found[label])) for label in order])


def predicted(predictor: "Predictor", paths: Iterable[str], top: int) -> Iterator[Row]:
    """Yield a row for each path, in their order."""
    for prediction in predictor.stream(paths):
        yield to_row(prediction, predictor.classes, top)


def predict_into(
    out: OutFile,
    predictor: "Predictor",
    paths: Iterable[str],
    top: int,
    on_row: Callable[[Row, bool], object] = lambda row, is_new: None,
) -> Tally:
    """Bring a file of predictions to its end; returns how many rows it has.

    `on_row` is told of every row, those of earlier calls too, and whether it is new. Raises
    SetupError as `OutFile` does.
    """
    tally = Tally()
    done, left = out.after_done(paths)
    for row in done:
        tally.done_before += 1
        tally.unreadable += bool(row.error)
        on_row(row, False)
    rows = predicted(predictor, left, top)
    while group := list(islice(rows, _ROWS_AT_ONCE)):
        out.append(group)
        for row in group:
            tally.written += 1
            tally.unreadable += bool(row.error)
            on_row(row, True)
    return tally


def write_submission(rows: Iterable[Row], file: Path) -> None:
    """Write rows as `ID,Label`: the file's name without its ending, and the predicted class.

    A picture that can't be read has an empty label. Raises OSError.
    """

    def write(binary: Any) -> None:
        binary.write(b"ID,Label\n")
        for row in rows:
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerow([Path(row.path).stem, row.label])
            binary.write(os.fsencode(text.getvalue()))

    write_atomically(file, write)
