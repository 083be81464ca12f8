"""Scattered and grown patterns that the backbone is pretrained on.

None is of a kind with the demo's: nothing here repeats itself in rows or rings.
"""

from __future__ import annotations

import numpy as np

from core.demo.drawing import (
    TAU,
    Array,
    Plane,
    bands,
    cloud_noise,
    disk,
    either,
    fill,
    nearest_points,
    scattered_points,
    segments,
    smooth_noise,
    stroke,
)
from core.demo.render import Pattern
from tests.tools.demo_backbone.primitives import blurred, joined, polyline, segment

Rng = np.random.Generator


def _straw(rng: Rng, plane: Plane) -> Array:
    ends = rng.uniform(-1.3, 1.3, (2, int(rng.integers(12, 24)), 2))
    return fill(segments(plane, *ends) - rng.uniform(0.02, 0.04), plane.pixel)


def _rain(rng: Rng, plane: Plane) -> Array:
    starts = rng.uniform(-1.2, 1.1, (int(rng.integers(16, 30)), 2))
    turn = rng.random() * TAU
    stroke_to = starts + rng.uniform(0.25, 0.45) * np.array([np.cos(turn), np.sin(turn)])
    return fill(segments(plane, starts, stroke_to) - 0.04, plane.pixel)


def _confetti(rng: Rng, plane: Plane) -> Array:
    starts = rng.uniform(-1.1, 1.1, (int(rng.integers(16, 30)), 2))
    turns = rng.random(len(starts)) * TAU
    ends = starts + 0.2 * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    return fill(segments(plane, starts, ends) - rng.uniform(0.06, 0.1), plane.pixel)


def _bubbles(rng: Rng, plane: Plane) -> Array:
    ink = np.zeros_like(plane.x)
    for x, y in rng.uniform(-1.0, 1.0, (int(rng.integers(6, 12)), 2)):
        bubble = disk(plane.moved(float(x), float(y)), float(rng.uniform(0.12, 0.38)))
        ink = either(ink, stroke(bubble, 0.08, plane.pixel))
    return ink


def _pebbles(rng: Rng, plane: Plane) -> Array:
    ink = np.zeros_like(plane.x)
    for x, y in rng.uniform(-1.0, 1.0, (int(rng.integers(8, 16)), 2)):
        pebble = plane.moved(float(x), float(y), float(rng.uniform(0.1, 0.25)), float(rng.random()))
        ink = either(ink, fill(np.hypot(pebble.x, pebble.y * 1.7) - 1.0, pebble.pixel))
    return ink


def _speckle(rng: Rng, plane: Plane) -> Array:
    nearest, _, _ = nearest_points(plane, scattered_points(rng, int(rng.integers(6, 9)), 2.0))
    return fill(nearest - rng.uniform(0.05, 0.09), plane.pixel)


def _spheres(rng: Rng, plane: Plane) -> Array:
    nearest, _, _ = nearest_points(plane, scattered_points(rng, int(rng.integers(3, 6))))
    return np.clip(1.0 - nearest * rng.uniform(2.2, 3.2), 0.0, 1.0)


def _blotches(rng: Rng, plane: Plane) -> Array:
    noise = cloud_noise(rng, plane.x.shape[0], int(rng.integers(3, 6)), 2)
    return np.clip((noise - rng.uniform(0.45, 0.6)) * 14 + 0.5, 0.0, 1.0)


def _worms(rng: Rng, plane: Plane) -> Array:
    cells = int(rng.integers(8, 14))
    noise = blurred(smooth_noise(rng, plane.x.shape[0], cells))
    return np.clip(1.0 - np.abs(noise - 0.5) * 12 + 0.5, 0.0, 1.0)


def _camouflage(rng: Rng, plane: Plane) -> Array:
    noise = cloud_noise(rng, plane.x.shape[0], int(rng.integers(3, 6)), 2)
    return np.clip(np.floor(noise * 7.0 - 1.5) / 3.0, 0.0, 1.0)


def _contours(rng: Rng, plane: Plane) -> Array:
    noise = smooth_noise(rng, plane.x.shape[0], int(rng.integers(2, 4)))
    count = rng.uniform(8, 14)
    slope = np.hypot(*np.gradient(noise)) * count
    return bands(noise * count, slope + 0.02, 0.3)


def _fog(rng: Rng, plane: Plane) -> Array:
    noise = cloud_noise(rng, plane.x.shape[0], int(rng.integers(2, 5)), 4)
    return np.clip((noise - 0.25) * 2.0, 0.0, 1.0)


def _horizon(rng: Rng, plane: Plane) -> Array:
    land = plane.bent(rng, 0.2).placed(rng, (0.6, 1.0))
    return fill(land.y, land.pixel)


def _ladder(rng: Rng, plane: Plane) -> Array:
    place = plane.bent(rng, 0.04).placed(rng, (0.7, 1.0))
    rails = joined(
        segment(place, (-0.4, -1.0), (-0.4, 1.0)), segment(place, (0.4, -1.0), (0.4, 1.0))
    )
    ends = np.array([(0.4, y) for y in np.linspace(-0.8, 0.8, int(rng.integers(4, 8)))])
    rungs = segments(place, ends * np.array([-1.0, 1.0]), ends)
    return fill(joined(rails, rungs) - rng.uniform(0.05, 0.09), place.pixel)


def _cracks(rng: Rng, plane: Plane) -> Array:
    ink = np.zeros_like(plane.x)
    for _ in range(int(rng.integers(3, 6))):
        steps = rng.normal(0.0, 0.16, (9, 2)) + rng.normal(0.0, 0.16, 2)
        points = np.cumsum(steps, axis=0) + rng.uniform(-0.6, 0.6, 2)
        ink = either(ink, fill(polyline(plane, points) - 0.025, plane.pixel))
    return ink


TEXTURES: dict[str, Pattern] = {
    "blotches": _blotches,
    "bubbles": _bubbles,
    "camouflage": _camouflage,
    "confetti": _confetti,
    "contours": _contours,
    "cracks": _cracks,
    "fog": _fog,
    "horizon": _horizon,
    "ladder": _ladder,
    "pebbles": _pebbles,
    "rain": _rain,
    "speckle": _speckle,
    "spheres": _spheres,
    "straw": _straw,
    "worms": _worms,
}
"""Name to pattern of every texture."""
