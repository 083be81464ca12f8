"""Photos drawn by code: JPEG files that take as long to decode as real ones of their size."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from core.common.cpu import usable_cores

_CLASSES = 20
_VAL_SHARE = 0.1


def draw_photos(
    root: Path, count: int, width: int = 500, height: int = 375, classes: int = _CLASSES
) -> Path:
    """Write `count` training photos and a tenth of that for validation; returns `root`."""
    paths = []
    for side, number in (("train", count), ("val", max(classes, int(count * _VAL_SHARE)))):
        for label in range(classes):
            (root / side / f"class_{label:02}").mkdir(parents=True)
        folders = [root / side / f"class_{place % classes:02}" for place in range(number)]
        paths += [folder / f"{place:06}.jpg" for place, folder in enumerate(folders)]
    draw = partial(_draw, width=width, height=height)
    with ProcessPoolExecutor(usable_cores(), mp_context=get_context("spawn")) as pool:
        list(pool.map(draw, paths, range(len(paths)), chunksize=32))
    return root


def _draw(path: Path, seed: int, width: int, height: int) -> None:
    rng = np.random.default_rng(seed)
    # Shapes of several sizes and a little grain, as photos have them.
    picture = np.zeros((height, width, 3), np.float32)
    for cells, strength in ((4, 60.0), (16, 40.0), (64, 20.0)):
        coarse = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        picture += (np.asarray(smooth, np.float32) - 128) * (strength / 128)
    picture += rng.normal(128.0, 6.0, picture.shape)
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(path, quality=90)
