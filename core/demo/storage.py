"""Draw the demo images into the cache folder, atomically as a whole folder."""

from __future__ import annotations

import contextlib
import errno
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from core.common.errors import os_error_text
from core.common.user_dirs import CACHE_VARIABLE, cache_dir

if TYPE_CHECKING:  # numpy and Pillow are imported only for drawing
    from core.demo.classes import DrawnDataset

DEMO_SEED = 20
"""Default seed of the demo images."""

IMAGES_PER_CLASS = 160
"""Number of demo images per class."""

DRAWING_VERSION = 1
"""Incremented when a seed yields different images; old folders are then not reused."""

ABANDONED_AFTER = 3600.0
"""Seconds after which an unfinished folder is removed; drawing takes seconds."""

Progress = Callable[[int, int], None]
"""Called with the number of images drawn so far and in total."""


def backbone_path() -> Path:
    """Return the file of the pretrained backbone: timm's `test_convnext` without classifier."""
    return Path(__file__).with_name("backbone.safetensors")


def demo_data_dir(seed: int = DEMO_SEED) -> Path:
    """Return the folder of the demo images of a seed in the user's cache; it may not exist yet."""
    return cache_dir() / f"demo-v{DRAWING_VERSION}-seed{seed}"


def make_demo_data(
    root: Path,
    seed: int = DEMO_SEED,
    progress: Progress | None = None,
    per_class: int = IMAGES_PER_CLASS,
) -> None:
    """Draw the images into `root`/<class>/<number>.png unless they exist.

    They are drawn into a temporary folder that is renamed to `root` when complete: an interrupted
    call leaves no incomplete `root`, and concurrent processes each end up with a complete one. A
    `root` with deleted images is drawn again.

    Raises:
        OSError: the folder can't be written, or contains other files.
    """
    from core.demo.classes import DEMO_SET

    draw_folder(root, DEMO_SET, seed, per_class, progress)


def draw_folder(
    root: Path,
    dataset: DrawnDataset,
    seed: int,
    per_class: int,
    progress: Progress | None = None,
) -> None:
    """Draw `per_class` images of every class as an image folder, completely or not at all.

    Raises:
        OSError: the folder can't be written, or contains other files.
    """
    if _is_complete(root, dataset, per_class):
        return
    try:
        if root.exists() and not _is_replaceable(root, dataset):
            raise FileExistsError(errno.EEXIST, "it exists and contains other files")
        root.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(root)
        temporary = Path(tempfile.mkdtemp(prefix=_prefix(root), dir=root.parent))
        try:
            _draw_all(temporary / "new", dataset, seed, per_class, progress)
            _publish(temporary, root, dataset, per_class)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise OSError(
            f"the demo images can't be drawn into {root}: {os_error_text(error)}; "
            f"set {CACHE_VARIABLE} to use another folder"
        ) from error


def _draw_all(
    folder: Path,
    dataset: DrawnDataset,
    seed: int,
    per_class: int,
    progress: Progress | None,
) -> None:
    from PIL import Image

    done, total = 0, len(dataset.patterns) * per_class
    for name in dataset.patterns:
        (folder / name).mkdir(parents=True)
        for index in range(per_class):
            image = Image.fromarray(dataset.draw(seed, name, index))
            # Level 1: noise hardly compresses, and higher levels take longer than the drawing.
            image.save(folder / name / f"{index:04d}.png", compress_level=1)
            done += 1
            if progress is not None:
                progress(done, total)


def _publish(temporary: Path, root: Path, dataset: DrawnDataset, per_class: int) -> None:
    """Rename the finished folder to `root`, unless another process has done so first."""
    try:
        if root.exists() and not _is_complete(root, dataset, per_class):
            root.replace(temporary / "old")
        (temporary / "new").replace(root)
    except OSError:
        if not _is_complete(root, dataset, per_class):
            raise


def _is_complete(root: Path, dataset: DrawnDataset, per_class: int) -> bool:
    """Return whether all images exist; system tools may delete files of a cache."""
    return all(len(list((root / name).glob("*.png"))) >= per_class for name in dataset.patterns)


def _is_replaceable(root: Path, dataset: DrawnDataset) -> bool:
    """Return whether a folder contains nothing but class folders of the dataset."""
    return root.is_dir() and {entry.name for entry in root.iterdir()} <= dataset.patterns.keys()


def _remove_abandoned(root: Path) -> None:
    """Remove the folders of processes that were killed while drawing."""
    for folder in root.parent.glob(f"{_prefix(root)}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > ABANDONED_AFTER:
                shutil.rmtree(folder, ignore_errors=True)


def _prefix(root: Path) -> str:
    return f".{root.name}-"
