"""Small image folders for tests: learnable, fast to write, identical for a given seed."""

from pathlib import Path

import numpy as np
from PIL import Image


def make_images(
    root: Path,
    classes: int = 3,
    per_class: int = 8,
    size: int = 32,
    seed: int = 0,
    prefix: str = "class",
) -> Path:
    """Write `root/<prefix>_0/000.png`, …: one mean color per class plus noise; return `root`."""
    rng = np.random.default_rng(seed)
    for label in range(classes):
        folder = root / f"{prefix}_{label}"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            pixels = _color(label, classes) + rng.normal(0.0, 25.0, (size, size, 3))
            image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
            image.save(folder / f"{number:03d}.png")
    return root


def _color(label: int, classes: int) -> np.ndarray:
    """Return one of `classes` colors, evenly spaced on the color wheel."""
    turn = label / classes + np.array([0.0, 1 / 3, 2 / 3])
    return 128.0 + 90.0 * np.cos(2 * np.pi * turn)
