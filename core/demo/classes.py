"""The twenty classes of the demo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.demo import patterns as demo
from core.demo.drawing import keyed_rng
from core.demo.render import PAINT_ON_DARK, Pattern, Style, draw_image


@dataclass(frozen=True)
class DrawnDataset:
    """Classes of drawn images, all in one style."""

    patterns: Mapping[str, Pattern]
    style: Style

    def draw(self, seed: int, name: str, index: int) -> NDArray[np.uint8]:
        """Return image `index` of class `name`, (size, size, 3) uint8 RGB.

        It depends only on the arguments, so images can be drawn individually and in any order.
        """
        return draw_image(self.patterns[name], self.style, keyed_rng(seed, name, index))


_DEMO: dict[str, Pattern] = {
    "bricks": demo.bricks,
    "checkers": demo.checkers,
    "dots": demo.dots,
    "flower": demo.flower,
    "gear": demo.gear,
    "heart": demo.heart,
    "honeycomb": demo.honeycomb,
    "marble": demo.marble,
    "maze": demo.maze,
    "mosaic": demo.mosaic,
    "rings": demo.rings,
    "ripples": demo.ripples,
    "scales": demo.scales,
    "snowflake": demo.snowflake,
    "spiral": demo.spiral,
    "star": demo.star,
    "sunburst": demo.sunburst,
    "tartan": demo.tartan,
    "waves": demo.waves,
    "zigzag": demo.zigzag,
}

DEMO_SET = DrawnDataset(_DEMO, PAINT_ON_DARK)
"""The classes that the demo trains on."""
