"""Drawing primitives of the demo images: planes, edges, shapes, noise. Numpy only.

Everything here is a function of its arguments; random numbers come from a `Generator` argument,
never from a global stream. A *mask* is a float64 array (size, size) in [0, 1], the amount of ink on
each pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
TAU = 2.0 * np.pi


def keyed_rng(seed: int, name: str, index: int) -> np.random.Generator:
    """Return the generator of one image, so that images can be drawn in any order."""
    key = blake2b(f"{seed}/{name}/{index}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(key, "little"))


@dataclass(frozen=True)
class Plane:
    """Coordinates of every pixel, and the size of a pixel in these coordinates.

    `x` and `y` are (size, size); initially from -1 to 1, x to the right and y down. `pixel` is the
    width of a pixel in these units: edges are antialiased over one pixel at any zoom.
    """

    x: Array
    y: Array
    pixel: float

    @classmethod
    def of_size(cls, size: int) -> Plane:
        """Return the untransformed plane of a square image of `size` pixels."""
        ticks = (np.arange(size) + 0.5) * (2.0 / size) - 1.0
        x, y = np.meshgrid(ticks, ticks)
        return cls(x, y, 2.0 / size)

    @property
    def radius(self) -> Array:
        """Distance from the origin, (size, size)."""
        return np.hypot(self.x, self.y)

    @property
    def angle(self) -> Array:
        """Angle around the origin in turns, -0.5 to 0.5, (size, size)."""
        return np.arctan2(self.y, self.x) / TAU

    def moved(
        self, dx: float = 0.0, dy: float = 0.0, zoom: float = 1.0, turn: float = 0.0
    ) -> Plane:
        """Return the plane with origin (dx, dy), scaled by `zoom`, rotated by `turn` turns."""
        cos, sin = np.cos(TAU * turn) / zoom, np.sin(TAU * turn) / zoom
        x, y = self.x - dx, self.y - dy
        return Plane(cos * x + sin * y, cos * y - sin * x, self.pixel / zoom)

    def placed(
        self,
        rng: np.random.Generator,
        zoom: tuple[float, float] = (0.5, 0.85),
        turn: float = 1.0,
        shift: float | None = None,
    ) -> Plane:
        """Return the plane randomly moved, scaled and rotated.

        `zoom` is a range (size of a unit shape relative to half the image), `turn` the width of the
        range of rotations around upright, `shift` the maximum shift of the origin in both
        directions; without it, most of a unit shape stays in the image.
        """
        scale = float(rng.uniform(*zoom))
        reach = max(0.08, 1.0 - scale) if shift is None else shift
        dx, dy = rng.uniform(-reach, reach, 2)
        return self.moved(float(dx), float(dy), scale, float(rng.uniform(-0.5, 0.5)) * turn)

    def bent(self, rng: np.random.Generator, amount: float, cells: int = 3) -> Plane:
        """Return the plane with every point displaced up to `amount` by smooth noise."""
        size = self.x.shape[0]
        push_x = smooth_noise(rng, size, cells) - 0.5
        push_y = smooth_noise(rng, size, cells) - 0.5
        return Plane(self.x + 2 * amount * push_x, self.y + 2 * amount * push_y, self.pixel)


# --- ink -------------------------------------------------------------------------------------


def fill(distance: Array, pixel: float) -> Array:
    """Return the mask of the inside of a signed distance (negative inside)."""
    return np.clip(0.5 - distance / pixel, 0.0, 1.0)


def stroke(distance: Array, width: float, pixel: float) -> Array:
    """Return the mask of a line of `width` along the zero of a distance."""
    return fill(np.abs(distance) - width / 2, pixel)


def bands(phase: Array, step: Array | float, duty: Array | float = 0.5) -> Array:
    """Return the mask of bands: ink for a `duty` share of every unit of `phase`.

    `step` is the change of the phase per pixel: it antialiases the edges and renders bands finer
    than a pixel as uniform gray.
    """
    to_center = np.abs(phase - np.floor(phase) - 0.5)
    soft = np.maximum(step, 1e-6)
    return np.clip((np.asarray(duty) / 2 - to_center) / soft + 0.5, 0.0, 1.0)


def either(*masks: Array) -> Array:
    """Return the union of masks."""
    union: Array = np.maximum.reduce(masks)
    return union


def flip(first: Array, second: Array) -> Array:
    """Return the mask inked where exactly one of two masks is."""
    return first + second - 2 * first * second


# --- shapes: signed distances, negative inside -----------------------------------------------


def disk(plane: Plane, radius: float = 1.0) -> Array:
    """Signed distance to a disk around the origin."""
    return plane.radius - radius


def segments(plane: Plane, starts: Array, ends: Array) -> Array:
    """Distance to the nearest of n straight lines; `starts` and `ends` are (n, 2)."""
    along = ends - starts
    off_x = plane.x - starts[:, 0, None, None]
    off_y = plane.y - starts[:, 1, None, None]
    along_x, along_y = along[:, 0, None, None], along[:, 1, None, None]
    length2 = np.maximum(along_x**2 + along_y**2, 1e-12)
    share = np.clip((off_x * along_x + off_y * along_y) / length2, 0.0, 1.0)
    squared = (off_x - share * along_x) ** 2 + (off_y - share * along_y) ** 2
    nearest: Array = np.sqrt(squared.min(axis=0))
    return nearest


def polygon(plane: Plane, points: Array) -> Array:
    """Signed distance to the closed polygon through `points` (n, 2)."""
    following = np.roll(points, -1, axis=0)
    distance = segments(plane, points, following)
    # Even-odd rule: a point is inside when a ray to the right crosses an odd number of edges.
    y0, y1 = points[:, 1, None, None], following[:, 1, None, None]
    x0, x1 = points[:, 0, None, None], following[:, 0, None, None]
    height = np.where(y1 == y0, 1e-12, y1 - y0)
    crossing = x0 + (plane.y - y0) * ((x1 - x0) / height)
    crosses = ((plane.y < y0) != (plane.y < y1)) & (plane.x < crossing)
    inside = crosses.sum(axis=0) % 2 == 1
    return np.where(inside, -distance, distance)


def star_points(tips: int, inner: float) -> Array:
    """Return the corners (2 * tips, 2) of a star of radius 1, one tip up."""
    angles = TAU * (np.arange(2 * tips) / (2 * tips)) - TAU / 4
    radii = np.where(np.arange(2 * tips) % 2 == 0, 1.0, inner)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


# --- repetition --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tiles:
    """A plane divided into unit tiles: `plane` is local to each tile's center, -0.5 to 0.5."""

    plane: Plane
    column: NDArray[np.int64]
    row: NDArray[np.int64]

    def chance(self, rng: np.random.Generator, count: int = 16) -> Array:
        """Return one random number in [0, 1) for every tile, spread over its pixels."""
        table = rng.random((count, count))
        return np.asarray(table[self.row % count, self.column % count])


def tiles(plane: Plane, stagger: float = 0.0) -> Tiles:
    """Divide a plane into unit tiles, odd rows shifted by `stagger` tiles."""
    row = np.floor(plane.y)
    x = plane.x + stagger * (row % 2)
    column = np.floor(x)
    local = Plane(x - column - 0.5, plane.y - row - 0.5, plane.pixel)
    return Tiles(local, column.astype(np.int64), row.astype(np.int64))


def nearest_points(plane: Plane, points: Array) -> tuple[Array, Array, NDArray[np.int64]]:
    """Return distances to the nearest and second of `points` (n, 2), and which is nearest."""
    off_x = plane.x - points[:, 0, None, None]
    off_y = plane.y - points[:, 1, None, None]
    squared = off_x**2 + off_y**2
    two = np.sqrt(np.partition(squared, 1, axis=0)[:2])
    return two[0], two[1], squared.argmin(axis=0)


def scattered_points(rng: np.random.Generator, across: int, spread: float = 0.8) -> Array:
    """Return `across`**2 points (n, 2) over -1.1 to 1.1, a jittered grid."""
    ticks = (np.arange(across) + 0.5) / across * 2.2 - 1.1
    x, y = np.meshgrid(ticks, ticks)
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    return points + rng.uniform(-1.1, 1.1, points.shape) * (spread / across)


# --- noise -------------------------------------------------------------------------------------


def smooth_noise(rng: np.random.Generator, size: int, cells: int) -> Array:
    """Return smooth noise in [0, 1], (size, size), with about `cells` hills across."""
    coarse = rng.random((cells + 1, cells + 1))
    position = (np.arange(size) + 0.5) / size * cells
    left = np.minimum(position.astype(np.int64), cells - 1)
    share = position - left
    share = share * share * (3.0 - 2.0 * share)
    weights = np.zeros((size, cells + 1))
    weights[np.arange(size), left] = 1.0 - share
    weights[np.arange(size), left + 1] = share
    return weights @ coarse @ weights.T


def cloud_noise(rng: np.random.Generator, size: int, cells: int, octaves: int = 3) -> Array:
    """Return noise in [0, 1], (size, size): `octaves` layers, each finer and fainter."""
    total = np.zeros((size, size))
    for octave in range(octaves):
        total += smooth_noise(rng, size, cells << octave) / 2**octave
    return total / (2.0 - 2.0 ** (1 - octaves))
