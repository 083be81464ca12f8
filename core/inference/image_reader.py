"""Read images as validation does, in threads and in order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from PIL import Image

from core.common.cpu import usable_cores
from core.data.decode import read_rgb, upright_rgb
from core.data.image_cache import cached_short_side, shrink
from core.inference.read_file import read_bytes
from core.inference.trained_run import TrainedRun

ImageInput = str | os.PathLike[str] | bytes | Image.Image
"""Path of an image file, content of one, or a PIL image."""

MAX_THREADS = 16
T = TypeVar("T")
R = TypeVar("R")


class ImageReader:
    """Reads images as the run's validation did, up to its transform."""

    def __init__(self, run: TrainedRun) -> None:
        config = run.config
        self._background = config.data.background
        crop_pct = float(run.transform["crop_pct"])
        # With `data.decode_once` the run validated on downscaled images: reading at full size
        # would change the last digits of its own validation metrics.
        self._short_side = (
            cached_short_side(config.data.image_size, config.data.augment.min_scale, crop_pct)
            if config.data.decode_once
            else 0
        )

    def read(self, source: ImageInput) -> Image.Image:
        """Return an RGB image, upright, with transparency on the run's background color.

        Raises UnreadableImage for a file that is missing, truncated or not an image.
        """
        if isinstance(source, Image.Image):
            image = upright_rgb(source, self._background)
        else:
            data = source if isinstance(source, bytes) else read_bytes(source)
            image = read_rgb(data, self._short_side, self._background)
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
