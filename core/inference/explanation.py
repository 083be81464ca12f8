"""Draw explanations: heat maps over the image as the model sees it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from core.common.text import printable

if TYPE_CHECKING:
    from core.inference.prediction_rows import PredictionRow

HeatArray = NDArray[np.float32]
TILE, CAPTION, MARGIN = 320, 24, 8
_COLORMAP = "inferno"
_MAX_OPACITY = 0.65
_BACKGROUND, _TEXT = (24, 24, 27), (245, 245, 245)


@dataclass(frozen=True, slots=True)
class HeatMap:
    """How strongly each region of an image supports a class, by one method."""

    method: str
    heat: HeatArray
    """(H, W), from 0 to 1, where 1 is the strongest region; all zeros if no region supports the
    class."""
    strongest: float
    """Value that 1 represents: for occlusion the drop in probability, for Grad-CAM in logit
    units."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Heat maps that explain the prediction of a class for an image."""

    row: "PredictionRow"
    """The prediction."""
    target: str
    """The explained class."""
    image: Image.Image
    """Model input after resize and crop, W x H as the heat maps."""
    maps: Sequence[HeatMap]

    @property
    def agreement(self) -> float | None:
        """Rank correlation (Spearman's, -1 to 1) of the first two maps; None if there is only one
        map or one of them is constant."""
        if len(self.maps) < 2:
            return None
        ranks = [_ranks(each.heat) for each in self.maps[:2]]
        if any(rank.std() == 0 for rank in ranks):
            return None
        return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(heat: HeatArray) -> NDArray[np.float64]:
    """Return the ranks of all values; ties share their mean rank."""
    _, group, counts = np.unique(heat.ravel(), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[group]
    return ranks


def overlay(image: Image.Image, heat: HeatArray) -> Image.Image:
    """Return an image with a heat map blended over it, more opaque where the heat is stronger."""
    # matplotlib is a dependency of captum, which computes the heat maps.
    from matplotlib import colormaps

    colors = colormaps[_COLORMAP](heat)[..., :3]
    opacity = _MAX_OPACITY * np.sqrt(heat)[..., None]
    mixed = (1 - opacity) * np.asarray(image, np.float64) / 255 + opacity * colors
    return Image.fromarray(np.rint(255 * mixed).astype(np.uint8))


def draw(explanation: Explanation) -> Image.Image:
    """Return the image and its overlays side by side, with captions."""
    tiles = [(explanation.image, "model input")]
    tiles += [(overlay(explanation.image, m.heat), m.method) for m in explanation.maps]
    width = len(tiles) * (TILE + MARGIN) + MARGIN
    sheet = Image.new("RGB", (width, TILE + 2 * CAPTION + 2 * MARGIN), _BACKGROUND)
    drawing, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    drawing.text((MARGIN, 4), headline(explanation), fill=_TEXT, font=font)
    for number, (image, caption) in enumerate(tiles):
        left = MARGIN + number * (TILE + MARGIN)
        sheet.paste(image.resize((TILE, TILE), Image.Resampling.BICUBIC), (left, CAPTION))
        drawing.text((left, CAPTION + TILE + 4), caption, fill=_TEXT, font=font)
    return sheet


def headline(explanation: Explanation) -> str:
    """Return the predicted and the explained class as one line, safe for a terminal."""
    row = explanation.row
    prediction = f"{printable(row.label)} {row.confidence:.1%}"
    if explanation.target == row.label:
        return prediction
    return f"{prediction}; explained: {printable(explanation.target)}"
