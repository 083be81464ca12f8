"""Write the model card of an export: Markdown with a Hugging Face Hub header.

The sections follow Mitchell et al., Model Cards for Model Reporting, 2019, as far as the run has
the information.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.analysis.class_metrics import ClassificationReport
from core.common.format import counted
from core.common.location import location_name
from core.common.text import printable
from core.config.phases import HEAD, PHASES
from core.config.phases_section import PhaseConfig
from core.events.types import Evaluated
from core.inference.export.preprocessing import preprocessing_code, preprocessing_text
from core.inference.export.target import ExportTarget
from core.run.report import RunReport, read_report

if TYPE_CHECKING:
    from core.inference.trained_run import TrainedRun

_WEAKEST, _MAX_CLASSES = 5, 200


@dataclass(frozen=True, slots=True)
class Verification:
    """Comparison of an export with the run's model."""

    images: int
    real_images: bool
    """Whether the images were read from files rather than random."""
    max_difference: float
    """Largest difference of a probability."""


def model_card(
    run: "TrainedRun", target: ExportTarget, model_input: str, verification: Verification
) -> str:
    """Return the model card of an export; `model_input` describes the input tensor. Raises
    OSError."""
    report = read_report(run.folder)
    return "\n".join(
        [
            *_header(run),
            *_model(run, target, model_input),
            *_data(run, report),
            *_training(run),
            *_results(run, report),
            *_limitations(run, report),
            *_provenance(run, verification),
        ]
    )


def _header(run: "TrainedRun") -> Iterator[str]:
    yield from ("---", "library_name: timm", "pipeline_tag: image-classification")
    yield from ("tags:", "- image-classification", "- timm", "- convnext-tui", "---", "")
    yield f"# {_text(run.config.name)}"
    yield ""


def _model(run: "TrainedRun", target: ExportTarget, model_input: str) -> Iterator[str]:
    name, transform = run.config.model.name, run.transform
    parameters = sum(value.numel() for value in run.model.parameters())
    yield (
        f"timm model `{_code(name)}`, {counted(parameters, 'parameter')}, "
        f"{counted(len(run.classes), 'class', 'classes')}. "
        f"Input: {model_input}. Output: logits."
    )
    yield ""
    yield "Preprocessing, in this order:"
    yield ""
    yield from (f"1. {_text(step)}" for step in preprocessing_text(run))
    yield (
        f"1. Resize ({_text(transform['interpolation'])} interpolation) and crop to "
        f"{transform['image_size']} x {transform['image_size']} pixels (crop_pct "
        f"{transform['crop_pct']}, {_text(transform['crop_mode'])}); mean "
        f"{_numbers(transform['mean'])}, std {_numbers(transform['std'])} of values from 0 to 1."
    )
    usage = target.format.usage.format(
        path=_quoted(target.path.name), model=_quoted(name), classes=len(run.classes)
    )
    yield from ("", "```python", preprocessing_code(run, target.with_normalize), "```")
    yield from ("", "```python", usage, "```", "")


def _data(run: "TrainedRun", report: RunReport) -> Iterator[str]:
    yield from ("## Data", "")
    data = report.state.data
    # Only the folder's name: the path would reveal the layout of a private machine.
    root = location_name(run.config.data.root or "")
    counts = f": {data.train:,} training and {data.val:,} validation images" if data else ""
    damaged = f", {data.damaged:,} unreadable left out" if data and data.damaged else ""
    yield f"Image folder {_text(root)}{counts}{damaged}."
    yield ""
    shown = ", ".join(map(_text, run.classes[:_MAX_CLASSES]))
    more = len(run.classes) - _MAX_CLASSES
    others = f" and {more:,} more" if more > 0 else ""
    yield f"Classes, in the order of the logits: {shown}{others}."
    yield ""


def _training(run: "TrainedRun") -> Iterator[str]:
    config = run.config
    if config.model.weights:
        weights = f"the file {_text(Path(config.model.weights).name)}"
    else:
        weights = "timm's pretrained weights" if config.model.pretrained else "random weights"
    yield from ("## Training", "")
    yield f"Initial weights: {weights}. Batch size {config.data.batch_size}, seed {config.seed}."
    yield from ("", "| phase | trains | max epochs | optimizer | learning rate | weight decay |")
    yield "| --- | --- | --- | --- | --- | --- |"
    for phase in PHASES:
        planned: PhaseConfig = config.phases.get(phase)
        if planned.epochs:
            trained = "the classifier" if phase == HEAD else "all layers"
            yield (
                f"| {phase} | {trained} | {planned.epochs} | {planned.optimizer} | "
                f"{planned.lr:g} | {planned.weight_decay:g} |"
            )
    yield ""


def _results(run: "TrainedRun", report: RunReport) -> Iterator[str]:
    metrics = run.metrics
    if not metrics:
        return
    data = report.state.data
    images = f"{counted(data.val, 'validation image')}" if data else "the validation images"
    yield from ("## Results", "")
    yield (
        f"On {images}, which were also used to select this checkpoint (phase "
        f"{_text(metrics['phase'])}, epoch {metrics['epoch']}):"
    )
    yield from ("", "| top-1 | top-5 | loss |", "| --- | --- | --- |")
    yield (f"| {metrics['val_top1']:.4f} | {metrics['val_top5']:.4f} | {metrics['val_loss']:.4f} |")
    yield ""


def _evaluation_of(run: "TrainedRun", report: RunReport) -> Evaluated | None:
    """Return the validation results by class of exactly these weights, if the run still has
    them."""
    epoch = (run.metrics.get("phase"), run.metrics.get("epoch"))
    evaluations = report.state.evaluations
    for event in (evaluations.best, evaluations.latest):
        if event is not None and (event.phase, event.epoch) == epoch:
            return event
    return None


def _limitations(run: "TrainedRun", report: RunReport) -> Iterator[str]:
    yield from ("## Limitations", "")
    yield (
        "- The model knows only these classes: an image of anything else is assigned to one of "
        "them, sometimes with high confidence."
    )
    yield (
        "- The results are for images from the same folder; on other images they may be worse. "
        "Evaluate the model on your own images before relying on it."
    )
    event = _evaluation_of(run, report)
    if event is None:
        return
    evaluation = ClassificationReport(event, run.classes)
    rows = sorted(
        (row for row in evaluation.rows if row.support), key=lambda row: (row.f1, row.label)
    )
    if weakest := [f"{_text(r.name)} ({r.f1:.2f})" for r in rows[:_WEAKEST]]:
        yield f"- Classes with the lowest validation F1: {', '.join(weakest)}."
    if not math.isnan(error := evaluation.calibration_error):
        yield f"- Expected calibration error (ECE) in validation: {error:.4f}."
    if evaluation.pairs:
        pair = evaluation.pairs[0]
        names = _text(evaluation.name(pair.truth)), _text(evaluation.name(pair.predicted))
        yield f"- Most confused pair: {pair.share:.0%} of {names[0]} predicted as {names[1]}."


def _provenance(run: "TrainedRun", verification: Verification) -> Iterator[str]:
    kind = "image" if verification.real_images else "random image"
    yield from ("", "## Provenance", "")
    yield (
        f"Exported by convnext-tui from run {_text(run.folder.id)}, checkpoint "
        f"{_text(run.checkpoint.name)} (SHA-256 `{run.sha256}`). Verified on "
        f"{counted(verification.images, kind)}: the probabilities differ from the run's by at most "
        f"{verification.max_difference:.1e}."
    )
    yield ""


def _numbers(values: object) -> str:
    return ", ".join(f"{value:.4g}" for value in values)  # type: ignore[attr-defined]


def _code(text: str) -> str:
    return printable(text).replace("`", "'")


def _quoted(text: str) -> str:
    """Return text for the inside of a double-quoted Python string in a code block."""
    return json.dumps(_code(text), ensure_ascii=False)[1:-1]


def _text(value: object) -> str:
    """Return text with all Markdown and HTML characters escaped."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&$])", r"\\\1", printable(str(value)))
