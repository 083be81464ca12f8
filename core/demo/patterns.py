"""The twenty patterns of the demo classes."""

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
    flip,
    nearest_points,
    polygon,
    scattered_points,
    segments,
    star_points,
    stroke,
    tiles,
)

Rng = np.random.Generator


def _solid_or_outline(rng: Rng, distance: Array, pixel: float) -> Array:
    """Ink a shape whole, or its outline only, or both with a gap between."""
    style = rng.integers(3)
    if style == 0:
        return fill(distance, pixel)
    width = float(rng.uniform(0.10, 0.2))
    line = stroke(distance, width, pixel)
    return line if style == 1 else either(line, fill(distance + 0.3, pixel))


def _texture(rng: Rng, plane: Plane, pitch: tuple[float, float], bend: float = 0.04) -> Plane:
    """Return a plane for an all-over pattern: rotated randomly, `pitch` tiles across the image."""
    zoom = 2.0 / rng.uniform(*pitch)
    return plane.bent(rng, bend).moved(
        float(rng.uniform(-1, 1)), float(rng.uniform(-1, 1)), float(zoom), float(rng.random())
    )


# --- all-over patterns -------------------------------------------------------------------------


def checkers(rng: Rng, plane: Plane) -> Array:
    """A chess board, its squares now and then oblong."""
    board = _texture(rng, plane, (3, 6))
    tall = rng.uniform(0.7, 1.4)
    across = bands(board.x / 2, board.pixel / 2)
    return flip(across, bands(board.y * tall / 2, board.pixel * tall / 2))


def waves(rng: Rng, plane: Plane) -> Array:
    """Parallel lines that swing like water."""
    sea = _texture(rng, plane, (3, 6))
    length, height = rng.uniform(1.6, 3.2), rng.uniform(0.3, 0.6)
    phase = sea.y + height * np.sin(TAU * sea.x / length)
    slope = np.hypot(1.0, TAU * height / length * np.cos(TAU * sea.x / length))
    return bands(phase, sea.pixel * slope, rng.uniform(0.35, 0.6))


def zigzag(rng: Rng, plane: Plane) -> Array:
    """Parallel lines that turn sharply up and down."""
    cloth = _texture(rng, plane, (3, 6))
    length, height = rng.uniform(1.6, 3.2), rng.uniform(0.8, 1.5)
    teeth = np.abs(cloth.x / length - np.floor(cloth.x / length) - 0.5) * 2
    slope = float(np.hypot(1.0, 2 * height / length))
    return bands(cloth.y + height * teeth, cloth.pixel * slope, rng.uniform(0.35, 0.6))


def honeycomb(rng: Rng, plane: Plane) -> Array:
    """Six-sided cells with walls between."""
    comb = _texture(rng, plane, (3, 6))
    step = np.array([1.0, np.sqrt(3.0)])
    first = [axis - step[i] * np.round(axis / step[i]) for i, axis in enumerate((comb.x, comb.y))]
    moved = [axis - step[i] / 2 for i, axis in enumerate((comb.x, comb.y))]
    second = [axis - step[i] * np.round(axis / step[i]) for i, axis in enumerate(moved)]
    nearer = first[0] ** 2 + first[1] ** 2 < second[0] ** 2 + second[1] ** 2
    x, y = np.abs(np.where(nearer, first, second))
    to_wall = 0.5 - np.maximum(x, x / 2 + y * np.sqrt(3.0) / 2)
    return fill(to_wall - rng.uniform(0.06, 0.14), comb.pixel)


def bricks(rng: Rng, plane: Plane) -> Array:
    """A wall of bricks in staggered courses."""
    wall = _texture(rng, plane, (4, 7))
    long, joint = rng.uniform(1.7, 2.6), rng.uniform(0.06, 0.13)
    courses = tiles(Plane(wall.x / long, wall.y, wall.pixel), stagger=0.5)
    x, y = courses.plane.x * long, courses.plane.y
    inside = np.maximum(np.abs(x) - long / 2, np.abs(y) - 0.5) + joint
    return fill(inside, wall.pixel) * (0.65 + 0.35 * courses.chance(rng))


def dots(rng: Rng, plane: Plane) -> Array:
    """Polka dots in rows."""
    cloth = tiles(_texture(rng, plane, (3, 6)), stagger=0.5 * float(rng.integers(2)))
    return fill(disk(cloth.plane, float(rng.uniform(0.22, 0.38))), cloth.plane.pixel)


def maze(rng: Rng, plane: Plane) -> Array:
    """Slanted walls that lean left or right by chance, one in every tile."""
    grid = tiles(_texture(rng, plane, (4, 7)))
    lean = np.where(grid.chance(rng, 32) < 0.5, -1.0, 1.0)
    off_wall = np.abs(grid.plane.x * lean - grid.plane.y) / np.sqrt(2.0)
    off_corner = np.abs(np.abs(grid.plane.x * lean - grid.plane.y) - 1.0) / np.sqrt(2.0)
    distance = np.minimum(off_wall, off_corner)
    return fill(distance - rng.uniform(0.10, 0.17), grid.plane.pixel)


def scales(rng: Rng, plane: Plane) -> Array:
    """Fish scales: rounds that lie over one another in rows."""
    skin = _texture(rng, plane, (3, 6))
    apart, rim = rng.uniform(0.42, 0.52), rng.uniform(0.1, 0.2)
    mask = np.zeros_like(skin.x)
    row = np.floor(skin.y / apart)
    # From the back row to the front one: each covers what lies under it.
    for back in (-1, 0, 1):
        at = row + back
        x = skin.x + 0.5 * (at % 2)
        radius = np.hypot(x - np.round(x), skin.y - at * apart)
        covered = fill(radius - 0.58, skin.pixel)
        mask += covered * (fill(radius - 0.58 + rim, skin.pixel) - mask)
    return mask


def marble(rng: Rng, plane: Plane) -> Array:
    """Thin veins that wander through stone."""
    size = plane.x.shape[0]
    stone = plane.moved(turn=float(rng.random()))
    swirl = cloud_noise(rng, size, int(rng.integers(2, 5)), 4) - 0.5
    phase = stone.x * rng.uniform(0.9, 2.0) + swirl * rng.uniform(3.5, 6.0)
    vein = 1.0 - np.abs(np.sin(TAU / 2 * phase))
    return np.clip(vein ** rng.uniform(1.2, 2.6) * 1.3, 0.0, 1.0)


def mosaic(rng: Rng, plane: Plane) -> Array:
    """Broken tiles of uneven shape and shade."""
    points = scattered_points(rng, int(rng.integers(4, 8)))
    nearest, second, which = nearest_points(plane, points)
    shade = rng.uniform(0.45, 1.0, len(points))[which]
    return shade * fill(rng.uniform(0.05, 0.09) - (second - nearest), plane.pixel * 1.5)


def tartan(rng: Rng, plane: Plane) -> Array:
    """Woven bands of several widths that cross."""
    cloth = _texture(rng, plane, (1.6, 3), bend=0.03)
    mask = np.zeros_like(cloth.x)
    for at, width, weight in zip(
        rng.uniform(-0.1, 0.1, 4) + np.array([0.0, 0.3, 0.55, 0.75]),
        rng.uniform([0.2, 0.04, 0.1, 0.03], [0.34, 0.09, 0.2, 0.08]),
        (0.3, 0.5, 0.3, 0.5),
        strict=True,
    ):
        for axis in (cloth.x, cloth.y):
            mask += weight * bands(axis + at, cloth.pixel, width)
    return np.minimum(mask, 1.0)


def ripples(rng: Rng, plane: Plane) -> Array:
    """Rings from two or three drops that meet."""
    height = np.zeros_like(plane.x)
    per_unit = rng.uniform(2.0, 3.4)
    for x, y in rng.uniform(-1.0, 1.0, (int(rng.integers(2, 4)), 2)):
        height += np.sin(TAU * per_unit * np.hypot(plane.x - x, plane.y - y) + rng.uniform(0, TAU))
    return np.clip(0.5 + 0.6 * height, 0.0, 1.0)


# --- patterns with a center ----------------------------------------------------------------------


def spiral(rng: Rng, plane: Plane) -> Array:
    """One to three arms that wind outwards."""
    whirl = plane.bent(rng, 0.06).placed(rng, (0.7, 1.0))
    arms = int(rng.integers(1, 4)) * int(rng.choice((-1, 1)))
    turns = rng.uniform(2.6, 4.2)
    radius = np.maximum(whirl.radius, 1e-3)
    slope = np.hypot(turns, abs(arms) / (TAU * radius))
    return bands(radius * turns + arms * whirl.angle, whirl.pixel * slope) * fill(
        radius - 1.05, whirl.pixel
    )


def rings(rng: Rng, plane: Plane) -> Array:
    """Concentric circles."""
    target = plane.bent(rng, 0.06).placed(rng, (0.7, 1.0))
    count = rng.uniform(2.6, 4.2)
    ring = bands(target.radius * count + rng.random(), target.pixel * count)
    return ring * fill(target.radius - 1.05, target.pixel)


def sunburst(rng: Rng, plane: Plane) -> Array:
    """Rays that spread from one point to all sides."""
    sun = plane.bent(rng, 0.05).placed(rng, (0.6, 1.0), shift=0.5)
    count = int(rng.integers(7, 14))
    radius = np.maximum(sun.radius, 1e-3)
    rays = bands(sun.angle * count, sun.pixel * count / (TAU * radius), rng.uniform(0.35, 0.6))
    rays = rays * fill(radius - rng.uniform(1.2, 2.5), sun.pixel)
    if rng.random() < 0.5:
        core = rng.uniform(0.15, 0.3)
        rays = either(rays * fill(core + 0.12 - radius, sun.pixel), fill(radius - core, sun.pixel))
    return rays


def star(rng: Rng, plane: Plane) -> Array:
    """One star with five tips."""
    sky = plane.bent(rng, 0.05).placed(rng)
    outline = star_points(5, float(rng.uniform(0.36, 0.5)))
    return _solid_or_outline(rng, polygon(sky, outline), sky.pixel)


def flower(rng: Rng, plane: Plane) -> Array:
    """Round petals around a heart."""
    bed = plane.bent(rng, 0.05).placed(rng)
    petals = int(rng.integers(5, 9))
    deep = rng.uniform(0.15, 0.28)
    edge = 1.0 - 2 * deep + 2 * deep * np.abs(np.cos(TAU / 2 * petals * bed.angle))
    blossom = fill((bed.radius - edge) * 0.8, bed.pixel)
    heart_size = rng.uniform(0.18, 0.3)
    return blossom * (1.0 - stroke(bed.radius - heart_size, 0.1, bed.pixel))


def gear(rng: Rng, plane: Plane) -> Array:
    """A toothed wheel with a hole."""
    axle = plane.bent(rng, 0.04).placed(rng)
    teeth = int(rng.integers(7, 12))
    radius = np.maximum(axle.radius, 1e-3)
    tooth = bands(axle.angle * teeth, axle.pixel * teeth / (TAU * radius), 0.5)
    wheel = either(fill(radius - 0.76, axle.pixel), tooth * fill(radius - 1.0, axle.pixel))
    return wheel * fill(rng.uniform(0.25, 0.5) - radius, axle.pixel)


def heart(rng: Rng, plane: Plane) -> Array:
    """A heart."""
    paper = plane.bent(rng, 0.05).placed(rng)
    turn = np.linspace(0.0, TAU, 26, endpoint=False)
    x = 16 * np.sin(turn) ** 3
    y = 13 * np.cos(turn) - 5 * np.cos(2 * turn) - 2 * np.cos(3 * turn) - np.cos(4 * turn)
    outline = np.stack([x / 16, -(y + 2.5) / 16], axis=1)
    return _solid_or_outline(rng, polygon(paper, outline), paper.pixel)


def snowflake(rng: Rng, plane: Plane) -> Array:
    """Six branched arms."""
    sky = plane.bent(rng, 0.03).placed(rng, (0.6, 0.9))
    # Folded to half an arm: distance to the arm and its twigs need drawing only once.
    sector = np.abs(sky.angle * 6 - np.round(sky.angle * 6)) / 6 * TAU
    folded = Plane(sky.radius * np.cos(sector), sky.radius * np.sin(sector), sky.pixel)
    starts, ends = [(0.0, 0.0)], [(1.0, 0.0)]
    for at in np.sort(rng.uniform(0.3, 0.85, int(rng.integers(2, 4)))):
        length = float(rng.uniform(0.2, 0.36))
        starts.append((float(at), 0.0))
        ends.append((float(at) + length * 0.5, length * 0.87))
    distance = segments(folded, np.array(starts), np.array(ends))
    return fill(distance - rng.uniform(0.04, 0.075), sky.pixel)
