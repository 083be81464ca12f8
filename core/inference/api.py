"""The door from what knows no torch to a run's network.

Each function imports what it needs when it is called: whoever only asks for help waits for nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.common.openmp import limit_openmp_spinning
from core.data.sources import parse_location
from core.inference.checkpoint_lookup import checkpoint_file
from core.inference.export.checks import check_target
from core.run.find import find_run

if TYPE_CHECKING:
    from core.inference.evaluation_result import EvaluationResult
    from core.inference.explanation import Explanation
    from core.inference.export.export import Exported
    from core.inference.prediction_rows import Row
    from core.inference.predictor import Predictor


def open_predictor(
    run: str,
    runs_dir: Path,
    checkpoint: str = "best",
    device: str = "auto",
    batch_size: int | None = None,
    precision: str = "fp32",
) -> "Predictor":
    """Load a run's network onto a device; arguments as those of `load_run` and `Predictor`.

    Raises SetupError.
    """
    limit_openmp_spinning()
    from core.inference.predictor import Predictor
    from core.inference.trained_run import load_run

    return Predictor(load_run(run, checkpoint, runs_dir), device, batch_size, precision)


def evaluate(
    predictor: "Predictor",
    folder: str | None,
    part: str | None = None,
    tta: str | None = None,
    on_pictures: Callable[[int], object] = lambda count: None,
) -> "EvaluationResult":
    """Evaluate a network on a folder of pictures by class, or without one on a part of its run's
    own split; see `core.inference.evaluate.evaluate`. Raises SetupError."""
    from core.inference.evaluate import evaluate as evaluated
    from core.inference.labeled_images import labelled_pictures, own_pictures

    run = predictor.run
    if folder is None:
        pictures = own_pictures(run.folder, parse_location(run.config.data.root or ""), run.classes, part)
    else:
        pictures = labelled_pictures(parse_location(folder), run.classes, part)
    return evaluated(predictor, pictures, tta, on_pictures)


def explain(
    predictor: "Predictor",
    paths: Iterable[str],
    stage: int | None = None,
    target: str | None = None,
    occlusion: bool = False,
) -> "Iterator[Explanation | Row]":
    """Yield what speaks for a class in each picture; see `core.inference.explain.explain`.
    Raises SetupError, at once."""
    from core.inference.explain import explain as explained

    return explained(predictor, paths, stage, target, occlusion)


def export(
    run: str,
    runs_dir: Path,
    checkpoint: str,
    to: str,
    out: Path,
    with_normalize: bool = False,
    pictures: Sequence[str] | None = None,
    overwrite: bool = False,
) -> "Exported":
    """Write a run's network for other programs, and compare what was written with it; see
    `core.inference.export.export.export`. Raises SetupError."""
    # Before torch, which takes seconds.
    checkpoint_file(find_run(runs_dir, run), checkpoint)
    check_target(to, out, with_normalize, overwrite)
    limit_openmp_spinning()
    from core.inference.export.export import export as exported
    from core.inference.trained_run import load_run

    loaded = load_run(run, checkpoint, runs_dir)
    return exported(loaded, to, out, with_normalize, pictures, overwrite)
