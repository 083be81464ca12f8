"""Out-of-fold predictions: each image as predicted by the run that did not train on it."""

import csv
import io
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from core.common.codec import to_jsonable
from core.common.errors import SetupError, os_error_text
from core.common.files import write_atomically, write_text_atomically
from core.common.text import printable
from core.data.sources import parse_location
from core.run.files import BEST_CHECKPOINT
from core.study.definition import Study
from core.study.state import MemberState, StudyState

if TYPE_CHECKING:
    from core.inference.bootstrap import PerImageResults

COLUMNS = ("path", "label", "fold", "predicted", "confidence")
PROBABILITY = "p_"
"""Prefix of the columns with the probabilities; the name of the class follows."""
_TOP_K = 5
_SMALLEST = float(np.finfo(np.float64).eps)
"""Smallest probability in the loss, as in `sklearn.metrics.log_loss`."""


def write_out_of_fold(state: StudyState) -> dict[str, Any]:
    """Predict the val images of each fold with the best weights of its run, and write them to
    `out_of_fold.csv`; returns the figures over all folds.

    Each image has one row. An image that can't be read has neither prediction nor probabilities.
    Raises SetupError and OSError, with no file left.
    """
    study = state.study
    write_atomically(study.out_of_fold, lambda file: _write(file, state))
    figures = compute_figures(study.out_of_fold)
    write_text_atomically(
        _figures_file(study), json.dumps(to_jsonable(figures), allow_nan=False, indent=2)
    )
    return figures


def read_figures(study: Study) -> dict[str, Any] | None:
    """Return the figures over all folds, None without them."""
    try:
        content = json.loads(_figures_file(study).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    is_valid = isinstance(content, dict) and isinstance(content.get("images"), int)
    return content if is_valid else None


def compute_figures(file: Path) -> dict[str, Any]:
    """Return the figures of an `out_of_fold.csv`: the number of images, the metrics of
    `convnext-tui evaluate`, and a 95% bootstrap interval of each metric. Raises SetupError."""
    from core.inference.bootstrap import confidence_intervals, point_estimates

    results, unreadable = _read_results(file)
    if not len(results):
        raise SetupError(f"{printable(str(file))} has no predictions")
    return {
        "images": len(results),
        "unreadable": unreadable,
        **point_estimates(results),
        "intervals": confidence_intervals(results),
    }


def _figures_file(study: Study) -> Path:
    return study.out_of_fold.with_suffix(".json")


def _write(file: BinaryIO, state: StudyState) -> None:
    classes: tuple[str, ...] | None = None
    seen: set[str] = set()
    for member in state.members:
        for row, fold_classes in _rows_of(member):
            if classes is None:
                classes = fold_classes
                file.write(_line([*COLUMNS, *(f"{PROBABILITY}{name}" for name in classes)]))
            if fold_classes != classes:
                raise SetupError("the folds have different classes: the data changed meanwhile")
            if row[0] in seen:
                path = printable(str(row[0]))
                raise SetupError(f"{path} is validated in two folds: the data changed meanwhile")
            seen.add(str(row[0]))
            file.write(_line(row))


def _rows_of(member: MemberState) -> Iterator[tuple[list[object], tuple[str, ...]]]:
    """Yield the rows of a fold and its classes."""
    from core.data.verify_split import read_split
    from core.inference.predictor import Predictor
    from core.inference.trained_run import load_run

    assert member.run is not None
    run = load_run(member.run.path, BEST_CHECKPOINT.removesuffix(".pt"))
    root = parse_location(run.config.data.root or "")
    images = [image for image in read_split(run.folder.split) if image.split == "val"]
    predictor = Predictor(run, run.config.device)
    fold = run.config.data.fold
    predictions = predictor.stream(os.fspath(root / image.path) for image in images)
    for image, prediction in zip(images, predictions, strict=True):
        row: list[object] = [image.path, image.label, fold]
        probabilities = prediction.probabilities
        if probabilities is None:
            yield [*row, *[""] * (2 + len(run.classes))], run.classes
            continue
        label = int(probabilities.argmax())
        # As float32: written with as many digits as tell any two values apart.
        yield [*row, run.classes[label], probabilities[label], *probabilities], run.classes


def _line(cells: list[object]) -> bytes:
    text = io.StringIO()
    # Texts are always quoted: by default, csv doesn't quote a name with a carriage return.
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC).writerow(cells)
    return text.getvalue().encode("utf-8", "surrogateescape")


def _read_results(file: Path) -> "tuple[PerImageResults, int]":
    """Return the predictions of a file, and the number of images without one."""
    from core.inference.bootstrap import PerImageResults

    labels, predicted, confidence, losses, in_top = [], [], [], [], []
    unreadable = 0
    try:
        with file.open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
            rows = csv.reader(lines)
            first = len(COLUMNS)
            names = [name.removeprefix(PROBABILITY) for name in next(rows)[first:]]
            numbers = {name: number for number, name in enumerate(names)}
            for row in rows:
                if not row[3]:
                    unreadable += 1
                    continue
                label = numbers[row[1]]
                probabilities = np.array(row[first:], dtype=np.float64)
                labels.append(label)
                predicted.append(numbers[row[3]])
                confidence.append(float(row[4]))
                p = probabilities[label]
                losses.append(-math.log(max(p, _SMALLEST)))
                in_top.append(int((probabilities > p).sum()) < _TOP_K)
    except (OSError, ValueError, KeyError, IndexError, StopIteration, csv.Error) as error:
        reason = os_error_text(error)
        raise SetupError(f"{printable(str(file))} can't be read: {reason}") from None
    results = PerImageResults(
        np.array(labels, dtype=np.int64),
        np.array(predicted, dtype=np.int64),
        np.array(confidence, dtype=np.float64),
        np.array(losses, dtype=np.float64),
        np.array(in_top, dtype=bool),
    )
    return results, unreadable
