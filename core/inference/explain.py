"""Explain predictions with Grad-CAM and occlusion maps, computed by captum."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor, nn

from core.common.errors import SetupError
from core.common.text import printable
from core.data.decode import UnreadableImage
from core.inference.explanation import Explanation, HeatArray, HeatMap
from core.inference.predict import to_row
from core.inference.prediction_rows import PredictionRow
from core.inference.predictor import Prediction, Predictor

GRAD_CAM, OCCLUSION = "Grad-CAM", "occlusion"
WINDOWS = 7
"""Occlusion windows that fit side by side in an image; the stride is half a window."""


class ExplainError(SetupError):
    """An explanation that can't be computed; one line with the reason and a remedy."""


def explain(
    predictor: Predictor,
    paths: Iterable[str],
    stage: int | None = None,
    target: str | None = None,
    occlusion: bool = False,
) -> Iterator[Explanation | PredictionRow]:
    """Yield an explanation of each image, or a row with the error where it can't be read.

    Grad-CAM (Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via
    Gradient-based Localization, 2017) uses the features of a `stage`, 1 to 4 in a ConvNeXt, by
    default the last: earlier stages have a finer resolution, later ones are more class-specific.
    `occlusion` (Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, 2014)
    adds a map of how far the probability drops when a region is covered, which needs no access to
    the model's internals. `target` is the name of the class to explain, by default the predicted
    class.

    Raises ExplainError, before the first image is read, for an unknown stage or class, or if
    captum is not installed.
    """
    captum = _captum()
    layer = stage_of(predictor.run.model, stage)
    if target is not None and target not in predictor.classes:
        raise ExplainError(
            f"--class {printable(target)} is not a class of this run; its classes are: "
            f"{', '.join(map(printable, predictor.classes[:20]))}"
        )

    def explain_image(path: str) -> Explanation | PredictionRow:
        try:
            view = predictor.view(path)
        except UnreadableImage as error:
            return PredictionRow(path, (), str(error))
        logits = predictor.logits(view[None])
        probabilities = logits.softmax(dim=1)[0].numpy()
        row = to_row(Prediction(path, probabilities), predictor.classes, 3)
        name = target or row.label
        label = predictor.classes.index(name)
        maps = [_grad_cam(captum, predictor, layer, view, label)]
        if occlusion:
            maps.append(_occlusion(captum, predictor, view, label))
        image = Image.fromarray(view.permute(1, 2, 0).contiguous().numpy())
        return Explanation(row, name, image, maps)

    return map(explain_image, paths)


def stage_of(model: nn.Module, stage: int | None) -> nn.Module:
    """Return the last module of a stage, counted from 1 in timm's `feature_info`; by default of
    the last stage.

    Raises ExplainError for an unknown stage.
    """
    feature_info: Any = getattr(model, "feature_info", None) or []
    names = [str(info["module"]) for info in feature_info]
    number = len(names) if stage is None else stage
    if not 1 <= number <= len(names):
        available = f"stages 1 to {len(names)}" if names else "no stages in timm's feature_info"
        raise ExplainError(f"--stage {number}: this model has {available}")
    return model.get_submodule(names[number - 1])


def _grad_cam(
    captum: Any, predictor: Predictor, layer: nn.Module, view: Tensor, label: int
) -> HeatMap:
    # The weights are frozen: autograd records the graph only if the input requires a gradient.
    image = predictor.normalize(view[None]).requires_grad_()
    attributions = captum.LayerGradCam(predictor.run.model, layer).attribute(
        image, target=label, relu_attributions=True
    )
    size = (view.shape[1], view.shape[2])
    resized = captum.LayerAttribution.interpolate(attributions, size, interpolate_mode="bilinear")
    return _heat_map(GRAD_CAM, resized[0, 0])


def _occlusion(captum: Any, predictor: Predictor, view: Tensor, label: int) -> HeatMap:
    def probabilities(images: Tensor) -> Tensor:
        logits: Tensor = predictor.run.model(images)
        return logits.float().softmax(dim=1)

    window = max(2, round(min(view.shape[1:]) / WINDOWS))
    attributions = captum.Occlusion(probabilities).attribute(
        predictor.normalize(view[None]),
        sliding_window_shapes=(3, window, window),
        strides=(3, window // 2, window // 2),
        baselines=0,  # the mean color after normalization
        target=label,
        perturbations_per_eval=predictor.batch_size,
    )
    return _heat_map(OCCLUSION, attributions[0, 0])


def _heat_map(method: str, attributions: Tensor) -> HeatMap:
    values = np.maximum(attributions.detach().cpu().numpy().astype(np.float32), 0)
    strongest = float(values.max())
    heat: HeatArray = np.divide(values, strongest or 1, dtype=np.float32)
    return HeatMap(method, heat, strongest)


def _captum() -> Any:
    try:
        from captum import attr
    except ImportError:
        raise ExplainError("this needs captum: pip install 'convnext-tui[explain]'") from None
    return attr
