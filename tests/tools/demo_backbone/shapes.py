"""Shapes that the backbone is pretrained on; none is of a kind with a class of the demo."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from core.demo.drawing import TAU, Array, Plane, disk, either, fill, polygon, stroke
from core.demo.render import Pattern
from tests.tools.demo_backbone.primitives import box, joined, polyline, regular_points, segment

Rng = np.random.Generator
Distance = Callable[[Rng, Plane], Array]

CORNERS: dict[str, Sequence[tuple[float, float]]] = {
    "arrow": [(-1, -0.25), (0.2, -0.25), (0.2, -0.7), (1, 0), (0.2, 0.7), (0.2, 0.25), (-1, 0.25)],
    "bolt": [(0.1, -1), (-0.6, 0.15), (-0.1, 0.15), (-0.3, 1), (0.6, -0.3), (0.05, -0.3)],
    "chair": [(-0.7, -1), (-0.4, -1), (-0.4, -0.1), (0.7, -0.1), (0.7, 1), (0.4, 1), (0.4, 0.25),
              (-0.4, 0.25), (-0.4, 1), (-0.7, 1)],
    "corner": [(-0.8, -0.9), (-0.3, -0.9), (-0.3, 0.4), (0.8, 0.4), (0.8, 0.9), (-0.8, 0.9)],
    "crown": [(-0.9, -0.6), (-0.45, 0), (0, -0.8), (0.45, 0), (0.9, -0.6), (0.8, 0.7), (-0.8, 0.7)],
    "flag": [(-0.8, -1), (0.9, -0.6), (0.2, -0.25), (0.9, 0.1), (-0.6, 0.1), (-0.6, 1), (-0.8, 1)],
    "fork": [(-0.7, -1), (-0.4, -1), (-0.4, -0.3), (-0.15, -0.3), (-0.15, -1), (0.15, -1),
             (0.15, -0.3), (0.4, -0.3), (0.4, -1), (0.7, -1), (0.7, 0), (0.15, 0), (0.15, 1),
             (-0.15, 1), (-0.15, 0), (-0.7, 0)],
    "hourglass": [(-0.7, -0.9), (0.7, -0.9), (0.12, 0), (0.7, 0.9), (-0.7, 0.9), (-0.12, 0)],
    "house": [(0, -1), (0.9, -0.2), (0.65, -0.2), (0.65, 0.8), (-0.65, 0.8), (-0.65, -0.2),
              (-0.9, -0.2)],
    "kite": [(0, -1), (0.55, -0.4), (0, 1), (-0.55, -0.4)],
    "letter_e": [(-0.7, -0.9), (0.7, -0.9), (0.7, -0.5), (-0.25, -0.5), (-0.25, -0.2), (0.5, -0.2),
                 (0.5, 0.2), (-0.25, 0.2), (-0.25, 0.5), (0.7, 0.5), (0.7, 0.9), (-0.7, 0.9)],
    "letter_h": [(-0.7, -0.9), (-0.3, -0.9), (-0.3, -0.2), (0.3, -0.2), (0.3, -0.9), (0.7, -0.9),
                 (0.7, 0.9), (0.3, 0.9), (0.3, 0.2), (-0.3, 0.2), (-0.3, 0.9), (-0.7, 0.9)],
    "letter_n": [(-0.7, 0.9), (-0.7, -0.9), (-0.3, -0.9), (0.35, 0.2), (0.35, -0.9), (0.7, -0.9),
                 (0.7, 0.9), (0.3, 0.9), (-0.35, -0.2), (-0.35, 0.9)],
    "letter_t": [(-0.8, -0.9), (0.8, -0.9), (0.8, -0.45), (0.22, -0.45), (0.22, 0.9), (-0.22, 0.9),
                 (-0.22, -0.45), (-0.8, -0.45)],
    "slant": [(-0.9, 0.5), (-0.3, -0.5), (0.9, -0.5), (0.3, 0.5)],
    "spruce": [(0, -1), (0.45, -0.35), (0.2, -0.35), (0.65, 0.2), (0.3, 0.2), (0.8, 0.75),
               (0.12, 0.75), (0.12, 1), (-0.12, 1), (-0.12, 0.75), (-0.8, 0.75), (-0.3, 0.2),
               (-0.65, 0.2), (-0.2, -0.35), (-0.45, -0.35)],
    "stairs": [(-0.9, 0.8), (-0.9, 0.4), (-0.45, 0.4), (-0.45, 0), (0, 0), (0, -0.4), (0.45, -0.4),
               (0.45, -0.8), (0.9, -0.8), (0.9, 0.8)],
    "trapeze": [(-0.4, -0.6), (0.4, -0.6), (0.95, 0.6), (-0.95, 0.6)],
}  # fmt: skip
"""Corners of the shapes that are plain polygons, in a square from -1 to 1, y down."""


def _ellipse(rng: Rng, plane: Plane) -> Array:
    flat = float(rng.uniform(1.5, 2.2))
    return disk(Plane(plane.x, plane.y * flat, plane.pixel)) / flat


def _square(rng: Rng, plane: Plane) -> Array:
    return box(plane, 0.8, 0.8)


def _oblong(rng: Rng, plane: Plane) -> Array:
    return box(plane, 0.98, float(rng.uniform(0.28, 0.45)))


def _regular(corners: int) -> Distance:
    return lambda rng, plane: polygon(plane, regular_points(corners))


def _cross(rng: Rng, plane: Plane) -> Array:
    thick = float(rng.uniform(0.2, 0.34))
    return joined(box(plane, 0.9, thick), box(plane, thick, 0.9))


def _half_disk(rng: Rng, plane: Plane) -> Array:
    return np.maximum(disk(plane), -plane.y - 0.1)


def _capsule(rng: Rng, plane: Plane) -> Array:
    return segment(plane, (-0.6, 0.0), (0.6, 0.0)) - rng.uniform(0.25, 0.4)


def _dumbbell(rng: Rng, plane: Plane) -> Array:
    balls = disk(Plane(np.abs(plane.x) - 0.6, plane.y, plane.pixel), 0.38)
    return joined(balls, box(plane, 0.6, float(rng.uniform(0.08, 0.16))))


def _drop(rng: Rng, plane: Plane) -> Array:
    tip = polygon(plane, np.array([(0.0, -1.0), (0.5, 0.17), (-0.5, 0.17)]))
    return joined(disk(plane.moved(dy=0.38), 0.58), tip)


def _mushroom(rng: Rng, plane: Plane) -> Array:
    cap = np.maximum(disk(plane.moved(dy=-0.1), 0.85), plane.y + 0.1)
    return joined(cap, box(plane.moved(dy=0.35), float(rng.uniform(0.15, 0.3)), 0.5))


def _keyhole(rng: Rng, plane: Plane) -> Array:
    skirt = polygon(plane, np.array([(0.0, -0.6), (0.55, 0.95), (-0.55, 0.95)]))
    return joined(disk(plane.moved(dy=-0.45), 0.48), skirt)


def _key(rng: Rng, plane: Plane) -> Array:
    bow = np.abs(disk(plane.moved(dx=-0.6), 0.28)) - 0.11
    bits = [box(plane.moved(x, 0.2), 0.09, 0.2) for x in (0.45, 0.75)]
    return joined(bow, box(plane.moved(dx=0.3), 0.62, 0.09), *bits)


def _fish(rng: Rng, plane: Plane) -> Array:
    body = (np.hypot((plane.x + 0.25) / 0.7, plane.y / 0.42) - 1.0) * 0.5
    return joined(body, polygon(plane, np.array([(0.3, 0.0), (0.95, -0.5), (0.95, 0.5)])))


def _cloud(rng: Rng, plane: Plane) -> Array:
    puffs = ((-0.5, 0.1, 0.38), (0.0, -0.2, 0.48), (0.5, 0.1, 0.38), (0.0, 0.25, 0.35))
    return joined(*[disk(plane.moved(x, y), size) for x, y, size in puffs])


def _bitten(rng: Rng, plane: Plane) -> Array:
    half = TAU * float(rng.uniform(0.08, 0.14))
    wedge: Array = np.abs(plane.y) * np.cos(half) - plane.x * np.sin(half)
    return np.maximum(disk(plane, 0.9), -wedge)


def _umbrella(rng: Rng, plane: Plane) -> Array:
    top = np.maximum(disk(plane, 0.95), plane.y + 0.05)
    return joined(top, box(plane.moved(dy=0.4), 0.07, 0.5))


def _glasses(rng: Rng, plane: Plane) -> Array:
    rims = np.abs(disk(Plane(np.abs(plane.x) - 0.52, plane.y, plane.pixel), 0.34)) - 0.1
    return joined(rims, box(plane, 0.2, 0.07))


DISTANCES: dict[str, Distance] = {
    "bitten": _bitten,
    "capsule": _capsule,
    "cloud": _cloud,
    "cross": _cross,
    "drop": _drop,
    "dumbbell": _dumbbell,
    "ellipse": _ellipse,
    "fish": _fish,
    "glasses": _glasses,
    "half_disk": _half_disk,
    "key": _key,
    "keyhole": _keyhole,
    "mushroom": _mushroom,
    "oblong": _oblong,
    "octagon": _regular(8),
    "square": _square,
    "triangle": _regular(3),
    "umbrella": _umbrella,
}


def _with_corners(corners: Sequence[tuple[float, float]]) -> Distance:
    points = np.array(corners, dtype=np.float64)
    return lambda rng, plane: polygon(plane, points)


def _as_pattern(distance: Distance) -> Pattern:
    """Return the pattern of one shape somewhere in the image, whole or as an outline."""

    def pattern(rng: Rng, plane: Plane) -> Array:
        place = plane.bent(rng, 0.05).placed(rng)
        to_edge = distance(rng, place)
        if rng.random() < 0.6:
            return fill(to_edge, place.pixel)
        return stroke(to_edge, float(rng.uniform(0.1, 0.2)), place.pixel)

    return pattern


def _lollipop(rng: Rng, plane: Plane) -> Array:
    place = plane.bent(rng, 0.04).placed(rng)
    ball = fill(disk(place.moved(dy=-0.45), float(rng.uniform(0.35, 0.52))), place.pixel)
    return either(ball, stroke(segment(place, (0.0, -0.3), (0.0, 1.0)), 0.12, place.pixel))


def _squiggle(rng: Rng, plane: Plane) -> Array:
    """One thin line that wanders: smooth, open, with a few bends."""
    place = plane.placed(rng, (0.6, 0.9))
    at = np.linspace(0.0, 1.0, 18)
    waves = rng.uniform(-0.5, 0.5, (4, 2)) / np.arange(1, 5)[:, None]
    x = np.sin(TAU / 2 * np.outer(at, np.arange(1, 5))) @ waves[:, 0] + 1.6 * (at - 0.5)
    y = np.sin(TAU / 2 * np.outer(at, np.arange(1, 5) + 0.5)) @ waves[:, 1] * 2.5
    line = polyline(place, np.stack([x, y], axis=1))
    return fill(line - rng.uniform(0.04, 0.09), place.pixel)


SHAPES: dict[str, Pattern] = {
    **{name: _as_pattern(_with_corners(corners)) for name, corners in CORNERS.items()},
    **{name: _as_pattern(distance) for name, distance in DISTANCES.items()},
    "lollipop": _lollipop,
    "squiggle": _squiggle,
}
"""Name to pattern of every shape."""
