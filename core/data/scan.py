"""Read every image file of a data folder once: hash it, and decode it to find damaged ones."""

import stat
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from core.common.errors import DataError, os_error_text
from core.common.text import printable
from core.data.image_folder import ListedImage
from core.data.inspect import ImageInfo
from core.data.inspect_cache import ImageInfoCache
from core.data.source import Location
from core.data.sources import source_of

_PROGRESS_FILES = 64
"""Files read between two progress reports."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file that was read completely and decodes as an image."""

    path: str
    """Relative to the data root, with `/`."""
    label: str
    """Class name."""
    split: str
    """`train`, `val`, `test`, or empty before the split."""
    sha256: str
    bytes: int
    mtime_ns: int
    info: ImageInfo | None = field(default=None, compare=False, repr=False)
    """Format, size and perceptual hash, if it was inspected in this run."""


@dataclass(frozen=True, slots=True)
class DamagedImage:
    """A file that is left out, with the reason."""

    path: str
    label: str
    reason: str


def scan_images(
    root: Location,
    listed: Sequence[ListedImage],
    progress: Callable[[int, int], None],
    cancelled: Callable[[], bool],
    use_cache: bool = True,
) -> tuple[list[ImageFile], list[DamagedImage]] | None:
    """Read all files in threads: hash each, and decode it unless the content is cached as known.

    Without `use_cache` the cache of inspected contents is neither read nor written. `progress`
    gets (done, total) every 64 files. Returns None once `cancelled` is true. Raises DataError for
    a file that can't be fetched, or whose folder has disappeared, as it may be intact.
    """
    images: list[ImageFile] = []
    damaged: list[DamagedImage] = []
    with (
        ImageInfoCache(use_cache) as cache,
        ThreadPoolExecutor(max_workers=source_of(root).threads) as pool,
    ):
        results = pool.map(lambda item: _scan_one(root, item, cache), listed)
        try:
            for done, result in enumerate(results, 1):
                if isinstance(result, ImageFile):
                    images.append(result)
                else:
                    damaged.append(result)
                if done % _PROGRESS_FILES == 0:
                    progress(done, len(listed))
                    if cancelled():
                        return None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    progress(len(listed), len(listed))
    return images, damaged


def _scan_one(root: Location, item: ListedImage, cache: ImageInfoCache) -> ImageFile | DamagedImage:
    file = root / item.path
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would never end
            return DamagedImage(item.path, item.label, "not a regular file")
        info = cache.inspect_file(file)
    except OSError as error:
        _require_folder(file, error)
        return DamagedImage(item.path, item.label, os_error_text(error))
    except MemoryError:
        return DamagedImage(item.path, item.label, "not enough memory to decode it")
    if info.reason:
        return DamagedImage(item.path, item.label, info.reason)
    return ImageFile(
        path=item.path,
        label=item.label,
        split=item.split,
        sha256=info.sha256,
        bytes=info.bytes,
        mtime_ns=status.st_mtime_ns,
        info=info,
    )


def _require_folder(file: Location, error: OSError) -> None:
    """Raise DataError if not only the file is missing, but the folder in which it was listed."""
    if not isinstance(file, Path) or not isinstance(error, FileNotFoundError | NotADirectoryError):
        return
    if not file.parent.is_dir():
        raise DataError(
            f"{printable(str(file))}: {os_error_text(error)}; its folder has disappeared: start "
            "again once it is back"
        )
