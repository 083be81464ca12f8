"""Where the demo's pictures lie, and how they get there: whole or not at all."""

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

if TYPE_CHECKING:  # numpy and Pillow are loaded when something is drawn, not before
    from core.demo.classes import DrawnDataset

DEMO_SEED = 20
"""Seed of the demo's pictures unless another is asked for."""

IMAGES_PER_CLASS = 160
"""Pictures of each class of the demo."""

DRAWING_VERSION = 1
"""Goes up whenever the same seed gives other pictures, so that old folders are left alone."""

ABANDONED_AFTER = 3600.0
"""Seconds after which an unfinished folder is nobody's; drawing takes seconds."""

Progress = Callable[[int, int], None]
"""Called with the number of pictures drawn so far and of all pictures."""


def backbone_path() -> Path:
    """Return the demo's pretrained backbone: timm's `test_convnext` without its classifier."""
    return Path(__file__).with_name("backbone.safetensors")


def demo_data_dir(seed: int = DEMO_SEED) -> Path:
    """Return where the demo's pictures of a seed lie, drawn or not yet.

    That is a folder of the user's cache, or of the one named by `CONVNEXT_TUI_CACHE`.
    """
    return cache_dir() / f"demo-v{DRAWING_VERSION}-seed{seed}"


def make_demo_data(
    root: Path,
    seed: int = DEMO_SEED,
    progress: Progress | None = None,
    per_class: int = IMAGES_PER_CLASS,
) -> None:
    """Draw the pictures into `root`/<class>/<number>.png; return at once when they are there.

    They are drawn into a folder beside `root` that takes its name only when it is whole: an
    interrupted call leaves nothing that looks complete, and of several processes at once each
    finds a whole set. A `root` from which pictures have been deleted is drawn anew.

    Raises:
        OSError: the folder can't be written, or holds something else.
    """
    from core.demo.classes import DEMO_SET

    draw_folder(root, DEMO_SET, seed, per_class, progress)


def draw_folder(
    root: Path,
    pictures: DrawnDataset,
    seed: int,
    per_class: int,
    progress: Progress | None = None,
) -> None:
    """Draw `per_class` pictures of every class as an image folder; whole or not at all.

    Raises:
        OSError: the folder can't be written, or holds something else.
    """
    if _is_complete(root, pictures, per_class):
        return
    try:
        if root.exists() and not _is_ours(root, pictures):
            raise FileExistsError(errno.EEXIST, "it is there and holds something else")
        root.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(root)
        beside = Path(tempfile.mkdtemp(prefix=_prefix(root), dir=root.parent))
        try:
            _draw_all(beside / "new", pictures, seed, per_class, progress)
            _take_name(beside, root, pictures, per_class)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise OSError(
            f"cannot draw the pictures into {root}: {os_error_text(error)}; "
            f"the variable {CACHE_VARIABLE} may name another folder"
        ) from error


def _draw_all(
    folder: Path,
    pictures: DrawnDataset,
    seed: int,
    per_class: int,
    progress: Progress | None,
) -> None:
    from PIL import Image

    done, total = 0, len(pictures.patterns) * per_class
    for name in pictures.patterns:
        (folder / name).mkdir(parents=True)
        for index in range(per_class):
            picture = Image.fromarray(pictures.draw(seed, name, index))
            # Level 1: noise hardly compresses, and higher levels cost more than the drawing.
            picture.save(folder / name / f"{index:04d}.png", compress_level=1)
            done += 1
            if progress is not None:
                progress(done, total)


def _take_name(beside: Path, root: Path, pictures: DrawnDataset, per_class: int) -> None:
    """Give the finished folder its name, unless another process was quicker with the same."""
    try:
        if root.exists() and not _is_complete(root, pictures, per_class):
            root.replace(beside / "old")
        (beside / "new").replace(root)
    except OSError:
        if not _is_complete(root, pictures, per_class):
            raise


def _is_complete(root: Path, pictures: DrawnDataset, per_class: int) -> bool:
    """Tell whether every picture is there; system tools may delete files of a cache."""
    return all(len(list((root / name).glob("*.png"))) >= per_class for name in pictures.patterns)


def _is_ours(root: Path, pictures: DrawnDataset) -> bool:
    """Tell whether a folder holds nothing but (some of) the class folders, so may be replaced."""
    return root.is_dir() and {entry.name for entry in root.iterdir()} <= pictures.patterns.keys()


def _remove_abandoned(root: Path) -> None:
    """Remove what processes that were killed while drawing left behind."""
    for folder in root.parent.glob(f"{_prefix(root)}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > ABANDONED_AFTER:
                shutil.rmtree(folder, ignore_errors=True)


def _prefix(root: Path) -> str:
    return f".{root.name}-"
