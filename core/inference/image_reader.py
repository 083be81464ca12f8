"""Read images as validation does, in threads and in order."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from PIL import Image

from core.common.cpu import usable_cores
from core.common.format import counted
from core.data.decode import decode, upright_rgb
from core.data.image_cache import shrink
from core.inference.image_recipe import reduced_side, value_ranges
from core.inference.read_file import read_bytes
from core.inference.trained_run import TrainedRun

ImageInput = str | os.PathLike[str] | bytes | Image.Image
"""Path of an image file, content of one, or a PIL image."""

MAX_THREADS = 16
_CLIPPED = 0.01
"""Fraction of an image's pixels outside the value range above which it is reported."""
T = TypeVar("T")
R = TypeVar("R")


class ImageReader:
    """Reads images as the run's validation did, up to its transform."""

    def __init__(self, run: TrainedRun) -> None:
        self._background = run.config.data.background
        self._short_side = reduced_side(run)
        self._ranges = value_ranges(run)
        self._clipped = self._alone = 0
        self._lock = threading.Lock()

    @property
    def note(self) -> str:
        """A sentence about images so far whose values are not those that the run was trained on, or
        ""."""
        parts = []
        if self._clipped:
            parts.append(
                f"{counted(self._clipped, 'image')} with values outside the run's value range, "
                "which are clipped"
            )
        if self._alone:
            parts.append(
                f"{counted(self._alone, 'image')} of a bit depth that the run was not trained on, "
                "each converted by its own values"
            )
        return "; ".join(parts)

    def read(self, source: ImageInput) -> Image.Image:
        """Return an RGB image, upright, with transparency on the run's background color.

        Raises UnreadableImage for a file that is missing, truncated or not an image.
        """
        if isinstance(source, Image.Image):
            image = upright_rgb(source, self._background, self._ranges)
        else:
            data = source if isinstance(source, bytes) else read_bytes(source)
            image, header = decode(data, self._short_side, self._background, self._ranges)
            with self._lock:
                self._clipped += header.clipped > _CLIPPED
                self._alone += header.values is not None
        return shrink(image, self._short_side) if self._short_side else image


def in_order(
    items: Iterable[T], work: Callable[[T], R], ahead: int, threads: int | None = None
) -> Iterator[R]:
    """Yield `work(item)` in the order of the items, computed in threads, at most `ahead` items in
    advance.

    Pillow releases the GIL while it decodes and resizes, so threads are as fast as processes,
    which take seconds to start. Items are consumed one by one: memory use doesn't depend on their
    number.
    """
    pending: deque[Future[R]] = deque()
    remaining = iter(items)
    workers = threads or min(MAX_THREADS, usable_cores())
    with ThreadPoolExecutor(workers, thread_name_prefix="images") as pool:
        try:
            for item in islice(remaining, ahead):
                pending.append(pool.submit(work, item))
            while pending:
                done = pending.popleft().result()
                for item in islice(remaining, 1):
                    pending.append(pool.submit(work, item))
                yield done
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
