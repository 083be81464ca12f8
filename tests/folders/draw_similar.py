"""Folders of images that look alike: a fixed camera, frames of videos, slices of volumes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIDE = 64


def fixed_camera(root: Path, each: int = 100, seed: int = 0) -> Path:
    """Draw good and scratched parts before one camera: shifted by 4% at most, turned by 5° at most,
    light 5% brighter or darker."""
    rng = np.random.default_rng(seed)
    for label in ("good", "scratched"):
        for number in range(each):
            image = _part()
            if label == "scratched":
                _scratch(image, rng)
            moved = image.rotate(
                float(rng.uniform(-5, 5)),
                Image.Resampling.BILINEAR,
                translate=(int(rng.integers(-2, 3)), int(rng.integers(-2, 3))),
                fillcolor=(90, 95, 100),
            )
            pixels = np.asarray(moved, dtype=np.float32) * rng.uniform(0.95, 1.05)
            _save(root / label / f"{number:03d}.png", pixels + rng.normal(0, 1, (SIDE, SIDE, 3)))
    return root


def video_frames(root: Path, videos: int = 3, frames: int = 30, seed: int = 0) -> Path:
    """Draw `videos` videos per class whose frames change little by little."""
    return _sequences(root, videos, frames, seed, lambda frame: frame / 60)


def slices(root: Path, volumes: int = 6, depth: int = 20, seed: int = 0) -> Path:
    """Draw `volumes` volumes per class, each as slices through it."""
    return _sequences(root, volumes, depth, seed, lambda frame: abs(frame - depth / 2) / 20)


def _sequences(
    root: Path, count: int, length: int, seed: int, change: Callable[[int], float]
) -> Path:
    rng = np.random.default_rng(seed)
    for label in ("a", "b"):
        for number in range(count):
            start, end = (_smooth(rng) for _ in range(2))
            for frame in range(length):
                part = change(frame)
                pixels = start * (1 - part) + end * part
                _save(root / label / f"{label}{number}_{frame:03d}.png", pixels)
    return root


def _part() -> Image.Image:
    image = Image.new("RGB", (SIDE, SIDE), (90, 95, 100))
    draw = ImageDraw.Draw(image)
    draw.ellipse((10, 10, 53, 53), fill=(180, 182, 186), outline=(40, 40, 44), width=2)
    draw.ellipse((26, 26, 37, 37), fill=(30, 30, 34))
    draw.rectangle((30, 12, 33, 24), fill=(60, 60, 70))
    return image


def _scratch(image: Image.Image, rng: np.random.Generator) -> None:
    x, y = rng.integers(16, 48, 2).tolist()
    dx, dy = rng.integers(-10, 11, 2).tolist()
    ImageDraw.Draw(image).line((x, y, x + dx, y + dy), fill=(235, 235, 240), width=1)


def _smooth(rng: np.random.Generator) -> np.ndarray:
    coarse = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), dtype=np.float32)


def _save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)
