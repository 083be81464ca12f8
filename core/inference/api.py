"""Torch-free entry points to a run's trained model.

Each function imports torch when it is called, so that `--help` and invalid usage don't wait for it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.common.openmp import limit_openmp_spinning
from core.data.sources import parse_location
from core.inference.checkpoint_lookup import checkpoint_file
from core.run.find import find_run

if TYPE_CHECKING:
    from core.inference.evaluation_result import EvaluationResult
    from core.inference.explanation import Explanation
    from core.inference.export.export import ExportResult
    from core.inference.export.target import ExportTarget
    from core.inference.prediction_rows import PredictionRow
    from core.inference.predictor import Predictor


def open_predictor(
    run: str,
    runs_dir: Path,
    checkpoint: str = "best",
    device: str = "auto",
    batch_size: int | None = None,
    precision: str = "fp32",
    calibrated: bool = False,
) -> "Predictor":
    """Load a run's model onto a device; for the arguments see `load_run` and `Predictor`.

    Raises SetupError.
    """
    limit_openmp_spinning()
    from core.inference.predictor import Predictor
    from core.inference.trained_run import load_run

    return Predictor(load_run(run, checkpoint, runs_dir, calibrated), device, batch_size, precision)


def evaluate(
    predictor: "Predictor",
    folder: str | None,
    split: str | None = None,
    tta: str | None = None,
    on_images: Callable[[int], object] = lambda count: None,
) -> "EvaluationResult":
    """Evaluate a model on an image folder with one subfolder per class, or without `folder` on a
    split of the run's own images; see `core.inference.evaluate.evaluate`. Raises SetupError."""
    from core.inference.evaluate import evaluate as evaluate_images
    from core.inference.labeled_images import list_labeled_images, list_split_images

    run = predictor.run
    if folder is None:
        root = parse_location(run.config.data.root or "")
        images = list_split_images(run.folder, root, run.classes, split)
    else:
        images = list_labeled_images(parse_location(folder), run.classes, split)
    return evaluate_images(predictor, images, tta, on_images)


def explain(
    predictor: "Predictor",
    paths: Iterable[str],
    stage: int | None = None,
    target: str | None = None,
    occlusion: bool = False,
) -> "Iterator[Explanation | PredictionRow]":
    """Yield heat maps of the regions that support a class in each image; see
    `core.inference.explain.explain`. Raises SetupError before the first image is read."""
    from core.inference.explain import explain as explain_images

    return explain_images(predictor, paths, stage, target, occlusion)


def export(
    run: str,
    runs_dir: Path,
    checkpoint: str,
    target: "ExportTarget",
    images: Sequence[str] | None = None,
    calibrated: bool = False,
) -> "ExportResult":
    """Export a run's model and verify the export; see `core.inference.export.export.export`.

    Raises SetupError.
    """
    # Invalid arguments are reported before torch is imported, which takes seconds.
    checkpoint_file(find_run(runs_dir, run), checkpoint)
    target.check()
    limit_openmp_spinning()
    from core.inference.export.export import export as export_model
    from core.inference.trained_run import load_run

    return export_model(load_run(run, checkpoint, runs_dir, calibrated), target, images)
