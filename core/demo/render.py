"""From a mask to a picture: colours, light, wear and noise, shared by every class of a set.

Nothing here depends on the class, so nothing but the drawn pattern can tell the classes apart.
The two sets differ in style: the backbone learned from dark ink on bright paper, the demo shows
bright paint on dark ground. A frozen backbone has to cope with that; a trained one gets over it.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.demo.drawing import TAU, Array, Plane, cloud_noise, fill, segments, smooth_noise

Rng = np.random.Generator
Pattern = Callable[[Rng, Plane], Array]
"""Draws one example of a class: a mask (size, size) on the plain plane it is handed."""

IMAGE_SIZE = 64
"""Side of every picture in pixels; the backbone and the preset expect it."""


@dataclass(frozen=True, slots=True)
class Style:
    """How the masks of a set become pictures."""

    bright_ink: bool
    """Whether the ink is brighter than the ground, or darker."""
    contrast: float
    """Least difference of their lightness, 0 to 1."""
    drift: float
    """How far colours drift over a picture; 0 = even colours."""
    wear: float
    """Share of the pictures in which the ink has scratches and bare patches."""
    noise: float
    """Largest standard deviation of the noise, where 1 is the range from black to white."""


INK_ON_PAPER = Style(bright_ink=False, contrast=0.45, drift=0.3, wear=0.3, noise=0.02)
PAINT_ON_DARK = Style(bright_ink=True, contrast=0.4, drift=0.6, wear=0.6, noise=0.04)


def draw_image(pattern: Pattern, style: Style, rng: Rng) -> NDArray[np.uint8]:
    """Return one picture of a pattern, (IMAGE_SIZE, IMAGE_SIZE, 3) uint8 RGB."""
    plane = Plane.of_size(IMAGE_SIZE)
    mask = pattern(rng, plane)
    if rng.random() < style.wear:
        mask = mask * (1.0 - _worn_off(rng, plane))
    dark, bright = _two_colours(rng, style.contrast)
    ground, ink = (dark, bright) if style.bright_ink else (bright, dark)
    picture = _wash(rng, plane, ground, style.drift)
    picture += mask[..., None] * (_wash(rng, plane, ink, style.drift) - picture)
    picture *= 1.0 + rng.uniform(0.0, 0.5) * (smooth_noise(rng, IMAGE_SIZE, 2)[..., None] - 0.5)
    picture += rng.normal(0.0, rng.uniform(0.01, max(0.01, style.noise)), picture.shape)
    return np.rint(np.clip(picture, 0.0, 1.0) * 255).astype(np.uint8)


def _two_colours(rng: Rng, contrast: float) -> tuple[Array, Array]:
    """Return a dark and a bright colour of any two hues, RGB (3,) in [0, 1]."""
    hue = rng.random()
    other = hue + rng.uniform(0.08, 0.92)
    lightness = rng.uniform(0.12, 0.35)
    brighter = min(0.92, lightness + rng.uniform(contrast, 0.6))
    dark = colorsys.hls_to_rgb(hue, lightness, rng.uniform(0.22, 0.9))
    bright = colorsys.hls_to_rgb(other % 1.0, brighter, rng.uniform(0.22, 0.9))
    return np.array(dark), np.array(bright)


def _wash(rng: Rng, plane: Plane, colour: Array, drift: float) -> Array:
    """Return a colour (size, size, 3) that drifts to a neighbour of itself, with soft clouds."""
    angle = rng.random() * TAU
    way = 0.5 + 0.35 * (np.cos(angle) * plane.x + np.sin(angle) * plane.y)
    neighbour = np.clip(colour + rng.uniform(-0.22, 0.22, 3), 0.0, 1.0) - colour
    clouds = cloud_noise(rng, IMAGE_SIZE, int(rng.integers(2, 7))) - 0.5
    change = way[..., None] * neighbour + rng.uniform(0.05, 0.35) * clouds[..., None]
    washed: Array = colour + drift * change
    return washed


def _worn_off(rng: Rng, plane: Plane) -> Array:
    """Return a mask of what is worn off the ink: some patches and scratches."""
    worn = np.zeros_like(plane.x)
    for x, y in rng.uniform(-1.0, 1.0, (int(rng.integers(0, 4)), 2)):
        patch = plane.moved(float(x), float(y)).radius - rng.uniform(0.08, 0.24)
        worn = np.maximum(worn, rng.uniform(0.5, 1.0) * fill(patch, 2 * plane.pixel))
    for start, end in rng.uniform(-1.1, 1.1, (int(rng.integers(0, 4)), 2, 1, 2)):
        scratch = segments(plane, start, end) - rng.uniform(0.01, 0.05)
        worn = np.maximum(worn, rng.uniform(0.5, 1.0) * fill(scratch, plane.pixel))
    return worn
