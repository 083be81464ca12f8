"""Pictures from files, in threads and in order, as validation sees them."""

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

Picture = str | os.PathLike[str] | bytes | Image.Image
"""A file's path, a file's content, or a picture that Pillow has opened."""

MOST_THREADS = 16
T = TypeVar("T")
R = TypeVar("R")


class PictureReader:
    """Reads pictures the way the run's validation did, up to its transform."""

    def __init__(self, run: TrainedRun) -> None:
        config = run.config
        self._background = config.data.background
        crop_pct = float(run.transform["crop_pct"])
        # A run that decodes once validates pictures that were reduced before: reading them
        # otherwise would change the last digits of its own validation's figures.
        self._short = (
            cached_short_side(config.data.image_size, config.data.augment.min_scale, crop_pct)
            if config.data.decode_once
            else 0
        )

    def read(self, source: Picture) -> Image.Image:
        """Return a picture in mode RGB, upright, transparency on the run's background.

        Raises UnreadableImage for what is no whole picture, or can't be read at all.
        """
        if isinstance(source, Image.Image):
            picture = upright_rgb(source, self._background)
        else:
            data = source if isinstance(source, bytes) else read_bytes(source)
            picture = read_rgb(data, self._short, self._background)
        return shrink(picture, self._short) if self._short else picture


def in_order(
    items: Iterable[T], work: Callable[[T], R], ahead: int, threads: int | None = None
) -> Iterator[R]:
    """Yield `work(item)` in the items' order, computed in threads at most `ahead` items early.

    Pillow decodes and resizes without holding Python's lock, so threads do what processes would
    without the seconds that those take to start. Items are taken one by one: any number of them
    needs the same memory.
    """
    waiting: deque[Future[R]] = deque()
    left = iter(items)
    workers = threads or min(MOST_THREADS, usable_cores())
    with ThreadPoolExecutor(workers, thread_name_prefix="pictures") as pool:
        try:
            for item in islice(left, ahead):
                waiting.append(pool.submit(work, item))
            while waiting:
                done = waiting.popleft().result()
                for item in islice(left, 1):
                    waiting.append(pool.submit(work, item))
                yield done
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
