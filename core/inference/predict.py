"""Predict any number of images into a file, resuming a partial one."""

import csv
import io
import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.common.errors import SetupError
from core.common.files import write_atomically
from core.common.text import printable, quoted
from core.common.version import __version__
from core.inference.prediction_rows import PredictionRow
from core.inference.resumable_output import ResumableOutput

if TYPE_CHECKING:
    from core.inference.predictor import Prediction, Predictor
    from core.inference.trained_run import TrainedRun

_ROWS_PER_WRITE = 32


@dataclass(slots=True)
class PredictionCounts:
    """Number of rows in a file of predictions."""

    done_before: int = 0
    """Rows of earlier calls."""
    written: int = 0
    """Rows of this call."""
    unreadable: int = 0
    """Rows of unreadable images, of all calls."""

    @property
    def rows(self) -> int:
        """All rows of the file."""
        return self.done_before + self.written


@dataclass(slots=True)
class ReservoirSample:
    """Uniform random sample of a stream of rows (reservoir sampling: Vitter, Random Sampling with
    a Reservoir, 1985, algorithm R)."""

    size: int
    seed: int = 0
    rows: list[PredictionRow] = field(default_factory=list)
    seen: int = 0
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def add(self, row: PredictionRow) -> None:
        """Consider a row for the sample."""
        self.seen += 1
        if len(self.rows) < self.size:
            self.rows.append(row)
        elif (index := self._random.randrange(self.seen)) < self.size:
            self.rows[index] = row


def run_metadata(run: "TrainedRun") -> Mapping[str, Any]:
    """Return the run, checkpoint and model that predictions come from, as plain values."""
    return {
        "program": "convnext-tui",
        "version": __version__,
        "run": run.folder.id,
        "checkpoint": run.checkpoint.name,
        "sha256": run.sha256,
        "model": run.config.model.name,
        "classes": list(run.classes),
        **({} if run.temperature is None else {"temperature": run.temperature}),
    }


def prediction_metadata(predictor: "Predictor") -> Mapping[str, Any]:
    """Return the run's metadata and the precision, which also affects the probabilities."""
    precision = predictor.compute.precision
    return {**run_metadata(predictor.run), "precision": precision}


def to_row(prediction: "Prediction[str]", classes: tuple[str, ...], top: int) -> PredictionRow:
    """Return a prediction as a row with its `top` most probable classes."""
    probabilities = prediction.probabilities
    if probabilities is None:
        return PredictionRow(prediction.image, (), prediction.error)
    order = (-probabilities).argsort(kind="stable")[:top]
    ranked = [(classes[label], float(probabilities[label])) for label in order]
    return PredictionRow(prediction.image, ranked)


def predict_rows(predictor: "Predictor", paths: Iterable[str], top: int) -> Iterator[PredictionRow]:
    """Yield a row for each path, in order."""
    for prediction in predictor.stream(paths):
        yield to_row(prediction, predictor.classes, top)


def predict_to_file(
    out: ResumableOutput,
    predictor: "Predictor",
    paths: Iterable[str],
    top: int,
    on_row: Callable[[PredictionRow, bool], object] = lambda row, is_new: None,
) -> PredictionCounts:
    """Complete a file of predictions and return its row counts.

    `on_row` is called with every row, including those of earlier calls, and whether it is new.
    Raises SetupError as `ResumableOutput` does.
    """
    counts = PredictionCounts()
    done, remaining = out.resume(paths)
    for row in done:
        counts.done_before += 1
        counts.unreadable += bool(row.error)
        on_row(row, False)
    rows = predict_rows(predictor, remaining, top)
    while batch := list(islice(rows, _ROWS_PER_WRITE)):
        out.append(batch)
        for row in batch:
            counts.written += 1
            counts.unreadable += bool(row.error)
            on_row(row, True)
    return counts


def write_submission(rows: Iterable[PredictionRow], file: Path) -> None:
    """Write rows as `ID,Label`: the file name without its suffix, and the predicted class.

    The label of an unreadable image is empty. Raises OSError, and SetupError for two images with
    the same ID; then no file is written.
    """

    def write(binary: Any) -> None:
        binary.write(b"ID,Label\n")
        seen: dict[str, str] = {}
        for row in rows:
            text = io.StringIO()
            identity = Path(row.path).stem
            if identity in seen:
                raise SetupError(
                    f"{printable(str(file))} is not written: {printable(seen[identity])} and "
                    f"{printable(row.path)} have the same ID {quoted(identity)}; predict "
                    "them separately"
                )
            seen[identity] = row.path
            csv.writer(text, lineterminator="\n").writerow([identity, row.label])
            binary.write(os.fsencode(text.getvalue()))

    write_atomically(file, write)
