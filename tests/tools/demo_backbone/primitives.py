"""Drawing primitives that only the pretraining classes use."""

from __future__ import annotations

import numpy as np

from core.demo.drawing import Array, Plane, segments, star_points


def box(plane: Plane, half_width: float, half_height: float) -> Array:
    """Signed distance to an upright box around the origin."""
    over_x, over_y = np.abs(plane.x) - half_width, np.abs(plane.y) - half_height
    outside = np.hypot(np.maximum(over_x, 0.0), np.maximum(over_y, 0.0))
    return outside + np.minimum(np.maximum(over_x, over_y), 0.0)


def joined(*distances: Array) -> Array:
    """Return the distance to the union of shapes."""
    nearest: Array = np.minimum.reduce(distances)
    return nearest


def segment(plane: Plane, start: tuple[float, float], end: tuple[float, float]) -> Array:
    """Distance to the straight line from `start` to `end`."""
    return segments(plane, np.array([start]), np.array([end]))


def polyline(plane: Plane, points: Array) -> Array:
    """Distance to the open line through `points` (n, 2)."""
    return segments(plane, points[:-1], points[1:])


def regular_points(corners: int) -> Array:
    """Return the corners (corners, 2) of a regular polygon of radius 1, one corner up."""
    return star_points(corners, 1.0)[::2]


def blurred(mask: Array) -> Array:
    """Return a (size, size) array softened by a 3 x 3 binomial kernel."""
    padded = np.pad(mask, 1, mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    return (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 16
