"""What speaks for a prediction: heat over the picture as the network sees it, drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from core.common.text import printable

if TYPE_CHECKING:
    from core.inference.prediction_rows import Row

Heat = NDArray[np.float32]
SIDE, CAPTION, MARGIN = 320, 24, 8
_COLOURS = "inferno"
_STRONGEST = 0.65
_BACKGROUND, _TEXT = (24, 24, 27), (245, 245, 245)


@dataclass(frozen=True, slots=True)
class HeatMap:
    """How much each place of a picture speaks for a class, by one method."""

    method: str
    heat: Heat
    """(H, W), from 0 to 1, where 1 is the place that speaks most; 0 all over if none does."""
    strongest: float
    """What 1 is: for occlusion the fall of the probability, for Grad-CAM in units of the logit."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a network takes a picture for a class."""

    row: "Row"
    """What it predicts."""
    target: str
    """The class that is explained."""
    picture: Image.Image
    """What the network sees: resized, cropped, W x H as the heat."""
    maps: Sequence[HeatMap]

    @property
    def agreement(self) -> float | None:
        """Rank correlation (Spearman's, -1 to 1) of the first two maps; None for one map alone,
        or where one is the same all over."""
        if len(self.maps) < 2:
            return None
        ranks = [_ranks(each.heat) for each in self.maps[:2]]
        if any(rank.std() == 0 for rank in ranks):
            return None
        return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(heat: Heat) -> NDArray[np.float64]:
    """Return the ranks of all values, equal ones sharing their mean."""
    _, place, counts = np.unique(heat.ravel(), return_inverse=True, return_counts=True)
    after = np.cumsum(counts)
    ranks: NDArray[np.float64] = (after - (counts - 1) / 2)[place]
    return ranks


def overlay(picture: Image.Image, heat: Heat) -> Image.Image:
    """Return a picture with heat over it: the hotter, the less of the picture is left."""
    # Comes with the library that the heat is from.
    from matplotlib import colormaps

    coloured = colormaps[_COLOURS](heat)[..., :3]
    share = _STRONGEST * np.sqrt(heat)[..., None]
    mixed = (1 - share) * np.asarray(picture, np.float64) / 255 + share * coloured
    return Image.fromarray(np.rint(255 * mixed).astype(np.uint8))


def draw(explanation: Explanation) -> Image.Image:
    """Return the picture and each overlay beside it, with captions."""
    pictures = [(explanation.picture, "as the network sees it")]
    pictures += [(overlay(explanation.picture, m.heat), m.method) for m in explanation.maps]
    width = len(pictures) * (SIDE + MARGIN) + MARGIN
    sheet = Image.new("RGB", (width, SIDE + 2 * CAPTION + 2 * MARGIN), _BACKGROUND)
    drawing, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    drawing.text((MARGIN, 4), headline(explanation), fill=_TEXT, font=font)
    for number, (picture, caption) in enumerate(pictures):
        left = MARGIN + number * (SIDE + MARGIN)
        sheet.paste(picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC), (left, CAPTION))
        drawing.text((left, CAPTION + SIDE + 4), caption, fill=_TEXT, font=font)
    return sheet


def headline(explanation: Explanation) -> str:
    """Return in a line what is predicted and what is explained, fit for a terminal."""
    row = explanation.row
    said = f"{printable(row.label)} {row.confidence:.1%}"
    if explanation.target == row.label:
        return said
    return f"{said}; explained: {printable(explanation.target)}"
