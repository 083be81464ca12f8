"""What a network is, was trained on and can't do, as the Markdown of a model card.

The parts are those of Mitchell et al., Model Cards for Model Reporting, 2019, as far as a run
knows them; the head is what the Hugging Face Hub reads.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from core.analysis.class_metrics import Evaluation
from core.common.location import location_name
from core.common.text import printable
from core.config.phases import PHASES
from core.config.schema import PhaseConfig
from core.events.types import Evaluated
from core.run.report import RunReport, read_report

if TYPE_CHECKING:
    from core.inference.trained_run import TrainedRun

Checked = tuple[int, bool, float]
"""On how many pictures, whether those were of files, and the largest difference."""
_WEAKEST, _MOST_CLASSES = 5, 200

_USE = {
    "safetensors": """import timm
from safetensors.torch import load_file

model = timm.create_model({name!r}, num_classes={classes}).eval()
model.load_state_dict(load_file("FILE"))""",
    "timm": """import timm

model = timm.create_model("local-dir:FOLDER", pretrained=True).eval()
transform = timm.data.create_transform(**timm.data.resolve_data_config({{}}, model=model))
labels = model.pretrained_cfg["label_names"]""",
    "onnx": """import onnxruntime

session = onnxruntime.InferenceSession("FILE")
(logits,) = session.run(["logits"], {{"pixels": pictures}})
about = session.get_modelmeta().custom_metadata_map  # classes, transform, as JSON""",
    "torchscript": """import torch

about = {{"convnext-tui.json": ""}}
model = torch.jit.load("FILE", _extra_files=about)  # classes, transform, as JSON
logits = model(pictures)""",
}


def model_card(run: "TrainedRun", to: str, takes: str, checked: Checked) -> str:
    """Return the card of a run's network as it is exported `to` a format; raises OSError."""
    report = read_report(run.folder)
    return "\n".join(
        [
            *_head(run),
            *_model(run, to, takes),
            *_data(run, report),
            *_recipe(run),
            *_results(run, report),
            *_limits(run, report),
            *_provenance(run, checked),
        ]
    )


def _head(run: "TrainedRun") -> Iterator[str]:
    yield from ("---", "library_name: timm", "pipeline_tag: image-classification")
    yield from ("tags:", "- image-classification", "- timm", "- convnext-tui", "---", "")
    yield f"# {_text(run.config.name)}"
    yield ""


def _model(run: "TrainedRun", to: str, takes: str) -> Iterator[str]:
    name, values = run.config.model.name, run.transform
    weights = sum(value.numel() for value in run.model.parameters())
    yield (
        f"`{_code(name)}` of timm with {weights:,} parameters, for {len(run.classes):,} classes. "
        f"It takes {takes} and gives logits."
    )
    yield ""
    yield (
        f"Pictures are resized by {_text(values['interpolation'])} interpolation and cropped to "
        f"{values['image_size']} x {values['image_size']} pixels (crop_pct {values['crop_pct']}, "
        f"{_text(values['crop_mode'])}); mean {_numbers(values['mean'])}, std "
        f"{_numbers(values['std'])} of values from 0 to 1."
    )
    yield from ("", "```python", _USE[to].format(name=name, classes=len(run.classes)), "```", "")


def _data(run: "TrainedRun", report: RunReport) -> Iterator[str]:
    yield from ("## Data", "")
    data = report.state.data
    # The name alone: where the folder lies is nobody's business but its owner's.
    root = location_name(run.config.data.root or "")
    counts = f": {data.train:,} pictures to train, {data.val:,} to validate" if data else ""
    left_out = f", {data.damaged:,} unreadable left out" if data and data.damaged else ""
    yield f"A folder of pictures, {_text(root)}{counts}{left_out}."
    yield ""
    shown = ", ".join(map(_text, run.classes[:_MOST_CLASSES]))
    more = len(run.classes) - _MOST_CLASSES
    others = f" and {more:,} more" if more > 0 else ""
    yield f"Classes, in the order of the logits: {shown}{others}."
    yield ""


def _recipe(run: "TrainedRun") -> Iterator[str]:
    config = run.config
    if config.model.weights:
        start = f"the file {_text(Path(config.model.weights).name)}"
    else:
        start = "timm's pretrained weights" if config.model.pretrained else "random weights"
    yield from ("## Training", "")
    yield f"From {start}, in batches of {config.data.batch_size}, seed {config.seed}."
    yield from ("", "| phase | trains | at most | optimizer | learning rate | weight decay |")
    yield "| --- | --- | --- | --- | --- | --- |"
    for phase in PHASES:
        planned: PhaseConfig = config.phases.get(phase)
        if planned.epochs:
            what = "the classifier" if phase == "head" else "everything"
            yield (
                f"| {phase} | {what} | {planned.epochs} epochs | {planned.optimizer} | "
                f"{planned.lr:g} | {planned.weight_decay:g} |"
            )
    yield ""


def _results(run: "TrainedRun", report: RunReport) -> Iterator[str]:
    metrics = run.metrics
    if not metrics:
        return
    val = report.state.data
    yield from ("## Results", "")
    yield (
        f"Of these weights (phase {_text(metrics['phase'])}, epoch {metrics['epoch']}) on "
        f"{f'{val.val:,}' if val else 'the'} validation pictures, which also chose them:"
    )
    yield from ("", "| top-1 | top-5 | loss |", "| --- | --- | --- |")
    yield (f"| {metrics['val_top1']:.4f} | {metrics['val_top5']:.4f} | {metrics['val_loss']:.4f} |")
    yield ""


def _evaluation_of(run: "TrainedRun", report: RunReport) -> Evaluated | None:
    """Return what the run told of the classes with these very weights, if it still knows."""
    epoch = (run.metrics.get("phase"), run.metrics.get("epoch"))
    for event in (report.state.best_evaluation, report.state.evaluation):
        if event is not None and (event.phase, event.epoch) == epoch:
            return event
    return None


def _limits(run: "TrainedRun", report: RunReport) -> Iterator[str]:
    yield from ("## Limits", "")
    yield (
        "- It knows these classes alone: a picture of anything else is given one of them, at times "
        "with a high probability."
    )
    yield (
        "- The results are of pictures from the same folder; on others it may do worse. Evaluate "
        "it on yours before relying on it."
    )
    event = _evaluation_of(run, report)
    if event is None:
        return
    evaluation = Evaluation(event, run.classes)
    rows = sorted(
        (row for row in evaluation.rows if row.support), key=lambda row: (row.f1, row.label)
    )
    if weakest := [f"{_text(r.name)} ({r.f1:.2f})" for r in rows[:_WEAKEST]]:
        yield f"- Weakest classes by F1 in validation: {', '.join(weakest)}."
    if not math.isnan(error := evaluation.calibration_error):
        yield f"- Expected calibration error in validation: {error:.4f}."
    if evaluation.pairs:
        pair = evaluation.pairs[0]
        names = _text(evaluation.name(pair.truth)), _text(evaluation.name(pair.predicted))
        yield f"- {pair.share:.0%} of {names[0]} were taken for {names[1]}."


def _provenance(run: "TrainedRun", checked: Checked) -> Iterator[str]:
    count, real, difference = checked
    what = "pictures" if real else "pictures of noise"
    yield from ("", "## Provenance", "")
    yield (
        f"Exported by convnext-tui from {_text(run.folder.id)}, {_text(run.checkpoint.name)} "
        f"(SHA-256 `{run.sha256}`). Loaded again, its probabilities of {count} {what} differed "
        f"from the run's by at most {difference:.1e}."
    )
    yield ""


def _numbers(values: object) -> str:
    return ", ".join(f"{value:.4g}" for value in values)  # type: ignore[attr-defined]


def _code(text: str) -> str:
    return printable(text).replace("`", "'")


def _text(value: object) -> str:
    """Return text in which nothing is Markdown or HTML."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&$])", r"\\\1", printable(str(value)))
