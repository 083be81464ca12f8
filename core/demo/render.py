"""Render a mask as an image: colors, light, wear and noise.

Nothing here depends on the class, so only the drawn pattern distinguishes the classes. The style of
the demo (bright on dark) differs from that of the pretraining images (dark on bright): a domain
shift that limits a frozen backbone and that fine-tuning overcomes.
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
"""Draws one example of a class: a mask (size, size) on the given plane."""

IMAGE_SIZE = 64
"""Side of every image in pixels, as the backbone and the preset expect it."""


@dataclass(frozen=True, slots=True)
class Style:
    """Appearance of all images of a dataset."""

    bright_ink: bool
    """Whether the ink is brighter than the background."""
    contrast: float
    """Minimum difference of their lightness, 0 to 1."""
    drift: float
    """Strength of color gradients over an image; 0 is uniform."""
    wear: float
    """Fraction of images in which the ink has scratches and bare patches."""
    noise: float
    """Maximum standard deviation of the noise, where 1 is the range from black to white."""


INK_ON_PAPER = Style(bright_ink=False, contrast=0.45, drift=0.3, wear=0.3, noise=0.02)
PAINT_ON_DARK = Style(bright_ink=True, contrast=0.4, drift=0.6, wear=0.6, noise=0.04)


def draw_image(pattern: Pattern, style: Style, rng: Rng) -> NDArray[np.uint8]:
    """Return one image of a pattern, (IMAGE_SIZE, IMAGE_SIZE, 3) uint8 RGB."""
    plane = Plane.of_size(IMAGE_SIZE)
    mask = pattern(rng, plane)
    if rng.random() < style.wear:
        mask = mask * (1.0 - _worn(rng, plane))
    dark, bright = _two_colors(rng, style.contrast)
    ground, ink = (dark, bright) if style.bright_ink else (bright, dark)
    image = _gradient(rng, plane, ground, style.drift)
    image += mask[..., None] * (_gradient(rng, plane, ink, style.drift) - image)
    image *= 1.0 + rng.uniform(0.0, 0.5) * (smooth_noise(rng, IMAGE_SIZE, 2)[..., None] - 0.5)
    image += rng.normal(0.0, rng.uniform(0.01, max(0.01, style.noise)), image.shape)
    return np.rint(np.clip(image, 0.0, 1.0) * 255).astype(np.uint8)


def _two_colors(rng: Rng, contrast: float) -> tuple[Array, Array]:
    """Return a dark and a bright color of two random hues, RGB (3,) in [0, 1]."""
    hue = rng.random()
    other = hue + rng.uniform(0.08, 0.92)
    lightness = rng.uniform(0.12, 0.35)
    brighter = min(0.92, lightness + rng.uniform(contrast, 0.6))
    dark = colorsys.hls_to_rgb(hue, lightness, rng.uniform(0.22, 0.9))
    bright = colorsys.hls_to_rgb(other % 1.0, brighter, rng.uniform(0.22, 0.9))
    return np.array(dark), np.array(bright)


def _gradient(rng: Rng, plane: Plane, color: Array, drift: float) -> Array:
    """Return a gradient (size, size, 3) from a color to a similar one, with soft clouds."""
    angle = rng.random() * TAU
    way = 0.5 + 0.35 * (np.cos(angle) * plane.x + np.sin(angle) * plane.y)
    difference = np.clip(color + rng.uniform(-0.22, 0.22, 3), 0.0, 1.0) - color
    clouds = cloud_noise(rng, IMAGE_SIZE, int(rng.integers(2, 7))) - 0.5
    change = way[..., None] * difference + rng.uniform(0.05, 0.35) * clouds[..., None]
    result: Array = color + drift * change
    return result


def _worn(rng: Rng, plane: Plane) -> Array:
    """Return a mask of missing ink: some patches and scratches."""
    worn = np.zeros_like(plane.x)
    for x, y in rng.uniform(-1.0, 1.0, (int(rng.integers(0, 4)), 2)):
        patch = plane.moved(float(x), float(y)).radius - rng.uniform(0.08, 0.24)
        worn = np.maximum(worn, rng.uniform(0.5, 1.0) * fill(patch, 2 * plane.pixel))
    for start, end in rng.uniform(-1.1, 1.1, (int(rng.integers(0, 4)), 2, 1, 2)):
        scratch = segments(plane, start, end) - rng.uniform(0.01, 0.05)
        worn = np.maximum(worn, rng.uniform(0.5, 1.0) * fill(scratch, plane.pixel))
    return worn
