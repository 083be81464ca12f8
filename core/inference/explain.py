"""Where in a picture a network finds what speaks for a class, by captum's methods."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor, nn

from core.common.errors import SetupError
from core.common.text import printable
from core.data.decode import UnreadableImage
from core.inference.explanation import Explanation, Heat, HeatMap
from core.inference.predict import to_row
from core.inference.prediction_rows import Row
from core.inference.predictor import Prediction, Predictor

GRAD_CAM, OCCLUSION = "Grad-CAM", "occlusion"
WINDOWS = 7
"""Covering windows beside each other in a picture; they move by half a window."""


class ExplainError(SetupError):
    """An explanation that can't be had; one line that says why and what to do."""


def explain(
    predictor: Predictor,
    paths: Iterable[str],
    stage: int | None = None,
    target: str | None = None,
    occlusion: bool = False,
) -> Iterator[Explanation | Row]:
    """Yield an explanation for each picture, or the row with its error where it can't be read.

    Grad-CAM (Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via
    Gradient-based Localization, 2017) looks at a `stage` of the network, 1 to 4 in a ConvNeXt, the
    last if not given: earlier ones are finer, later ones nearer to the class. With `occlusion`
    (Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, 2014) also how far
    the probability falls when a place is covered: another way to the same question, which looks at
    nothing inside the network. `target` is a class name, what is predicted if not given.

    Raises ExplainError, at once, for a stage or class that there is not, or without captum.
    """
    captum = _captum()
    layer = stage_of(predictor.run.model, stage)
    if target is not None and target not in predictor.classes:
        raise ExplainError(
            f"--class {printable(target)} is no class of this run; its classes are: "
            f"{', '.join(map(printable, predictor.classes[:20]))}"
        )

    def one(path: str) -> Explanation | Row:
        try:
            view = predictor.view(path)
        except UnreadableImage as error:
            return Row(path, (), str(error))
        logits = predictor.logits(view[None])
        probabilities = logits.softmax(dim=1)[0].numpy()
        row = to_row(Prediction(path, probabilities), predictor.classes, 3)
        name = target or row.label
        label = predictor.classes.index(name)
        maps = [_grad_cam(captum, predictor, layer, view, label)]
        if occlusion:
            maps.append(_occlusion(captum, predictor, view, label))
        picture = Image.fromarray(view.permute(1, 2, 0).contiguous().numpy())
        return Explanation(row, name, picture, maps)

    return map(one, paths)


def stage_of(model: nn.Module, stage: int | None) -> nn.Module:
    """Return the module that ends a stage, counted from 1, as timm knows them; the last if None.

    Raises ExplainError for one that there is not.
    """
    known: Any = getattr(model, "feature_info", None) or []
    names = [str(info["module"]) for info in known]
    place = len(names) if stage is None else stage
    if not 1 <= place <= len(names):
        have = f"stages 1 to {len(names)}" if names else "no stages that timm knows"
        raise ExplainError(f"--stage {place}: this network has {have}")
    return model.get_submodule(names[place - 1])


def _grad_cam(
    captum: Any, predictor: Predictor, layer: nn.Module, view: Tensor, label: int
) -> HeatMap:
    # The weights are frozen: it is the picture that makes torch keep what the gradient needs.
    image = predictor.normalize(view[None]).requires_grad_()
    found = captum.LayerGradCam(predictor.run.model, layer).attribute(
        image, target=label, relu_attributions=True
    )
    side = (view.shape[1], view.shape[2])
    whole = captum.LayerAttribution.interpolate(found, side, interpolate_mode="bilinear")
    return _heat(GRAD_CAM, whole[0, 0])


def _occlusion(captum: Any, predictor: Predictor, view: Tensor, label: int) -> HeatMap:
    def probabilities(images: Tensor) -> Tensor:
        logits: Tensor = predictor.run.model(images)
        return logits.float().softmax(dim=1)

    window = max(2, round(min(view.shape[1:]) / WINDOWS))
    found = captum.Occlusion(probabilities).attribute(
        predictor.normalize(view[None]),
        sliding_window_shapes=(3, window, window),
        strides=(3, window // 2, window // 2),
        baselines=0,  # the mean colour, once normalize
        target=label,
        perturbations_per_eval=predictor.batch_size,
    )
    return _heat(OCCLUSION, found[0, 0])


def _heat(method: str, found: Tensor) -> HeatMap:
    values = np.maximum(found.detach().cpu().numpy().astype(np.float32), 0)
    strongest = float(values.max())
    heat: Heat = np.divide(values, strongest or 1, dtype=np.float32)
    return HeatMap(method, heat, strongest)


def _captum() -> Any:
    try:
        from captum import attr
    except ImportError:
        raise ExplainError("this needs captum: pip install 'convnext-tui[explain]'") from None
    return attr
