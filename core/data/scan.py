"""What is in a data folder: classes, files, and which of them are whole pictures."""

import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from core.common.errors import DataError as DataError
from core.common.errors import os_error_text
from core.common.text import printable
from core.data.inspect import ImageInfo
from core.data.inspect_cache import ImageInfoCache
from core.data.storage import Location, folder_names, readers, relative, walk_links

EXTENSIONS = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".jp2", ".avif", ".heic", ".heif"),
}
VAL_NAMES = ("val", "valid", "validation")
_SYSTEM_FOLDERS = {"__macosx", "@eadir", "$recycle.bin"}
_LOOK_EVERY = 256


@dataclass(frozen=True, slots=True)
class ListedImage:
    """A file that is a picture by its name."""

    path: str
    """Relative to the data root, with `/`."""
    label: str
    """Class name."""
    part: str
    """`train` or `val` where the folders decide, else empty."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file that was read to its end and is a whole picture."""

    path: str
    label: str
    part: str
    sha256: str
    bytes: int
    mtime_ns: int
    look: ImageInfo | None = field(default=None, compare=False, repr=False)
    """What its pixels are like, where they were looked at."""


@dataclass(frozen=True, slots=True)
class DamagedImage:
    """A file that is left out, and why."""

    path: str
    label: str
    reason: str


def check_root(root: Location) -> None:
    """ImageInfo at the folder's structure alone, without opening a picture; raises DataError."""
    for folder in _parts(root).values():
        _class_folders(folder)
    _same_classes(_parts(root))


def count_images(
    root: Location, cancelled: Callable[[], bool] = lambda: False
) -> dict[str, dict[str, int]] | None:
    """Return the number of files of each class that are pictures by their names, by part (`train`
    and `val`, or one under "" where the folders don't decide); none of them is opened.

    Raises DataError; returns None when `cancelled` turned true.
    """
    parts = _parts(root)
    _same_classes(parts)
    counts: dict[str, dict[str, int]] = {}
    for part, top in parts.items():
        counts[part] = {}
        for folder in _class_folders(top):
            number = 0
            for number, _ in enumerate(_files_below(folder), 1):
                if number % _LOOK_EVERY == 0 and cancelled():
                    return None
            if cancelled():
                return None
            counts[part][folder.name] = number
    return counts


def list_images(root: Location) -> list[ListedImage]:
    """Return every file that is a picture by its name, sorted by path; raises DataError."""
    parts = _parts(root)
    _same_classes(parts)
    return [
        ListedImage(relative(file, root).as_posix(), folder.name, part)
        for part, top in parts.items()
        for folder in _class_folders(top)
        for file in sorted(_files_below(folder))
    ]


def read_all(
    root: Location,
    listed: list[ListedImage],
    progress: Callable[[int, int], None],
    cancelled: Callable[[], bool],
    keep: bool = True,
) -> tuple[list[ImageFile], list[DamagedImage]] | None:
    """Read every file once, in threads: hash it, and decode it to its end unless a file of that
    content was decoded before. With `keep` what was found is kept for the next time.

    `progress` gets (done, total) now and then. Returns None when `cancelled` turned true. Raises
    DataError for a file that can't be fetched: it may be whole.
    """
    pictures: list[ImageFile] = []
    damaged: list[DamagedImage] = []
    with (
        ImageInfoCache(keep) as known,
        ThreadPoolExecutor(max_workers=readers(root)) as pool,
    ):
        results = pool.map(lambda item: _read_one(root, item, known), listed)
        try:
            for done, result in enumerate(results, 1):
                if isinstance(result, ImageFile):
                    pictures.append(result)
                else:
                    damaged.append(result)
                if done % 64 == 0:
                    progress(done, len(listed))
                    if cancelled():
                        return None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    progress(len(listed), len(listed))
    return pictures, damaged


def _read_one(root: Location, item: ListedImage, known: ImageInfoCache) -> ImageFile | DamagedImage:
    try:
        file = root / item.path
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would never end
            return DamagedImage(item.path, item.label, "not a regular file")
        look = known.inspect_file(file)
    except OSError as error:
        return DamagedImage(item.path, item.label, os_error_text(error))
    except MemoryError:
        return DamagedImage(item.path, item.label, "needs more memory than there is")
    if look.reason:
        return DamagedImage(item.path, item.label, look.reason)
    return ImageFile(
        item.path, item.label, item.part, look.sha256, look.bytes, status.st_mtime_ns, look
    )


def _parts(root: Location) -> dict[str, Location]:
    """Return the folders that hold class folders: one under "", or those of train and val."""
    shown = printable(str(root))
    advice = "give the folder that holds one folder a class"
    try:
        mode = root.stat().st_mode
    except DataError:
        raise
    except (FileNotFoundError, ValueError):
        raise DataError(f"{shown}: no such folder; {advice}") from None
    except OSError as error:
        raise DataError(f"{shown}: {os_error_text(error)}; {advice}") from None
    if not stat.S_ISDIR(mode):
        raise DataError(f"{shown} is a file; {advice}")
    by_name = {folder.name.lower(): folder for folder in _folders(root)}
    val = next((by_name[name] for name in VAL_NAMES if name in by_name), None)
    train = by_name.get("train")
    # Beside other folders and with pictures right in it, `train` is a class of trains.
    if train is None or (val is None and len(by_name) > 1 and not _folders(train)):
        return {"": root}
    if val is None:
        raise DataError(
            f"{shown} has train/ but none of {', '.join(f'{n}/' for n in VAL_NAMES)}; "
            f"add one, or give {printable(str(train))} to have it split"
        )
    return {"train": train, "val": val}


def _class_folders(top: Location) -> list[Location]:
    folders = _folders(top)
    shown = printable(str(top))
    if not folders:
        loose = any(is_image_name(entry.name) for entry in top.iterdir())
        hint = "it holds pictures directly; " if loose else ""
        raise DataError(f"{shown} has no class folders; {hint}make one sub folder a class in it")
    if len(folders) == 1:
        raise DataError(
            f"{shown} has one class folder only ({printable(folders[0].name)}); "
            "a classifier needs two or more"
        )
    for folder in folders:
        if next(_files_below(folder), None) is None:
            empty = printable(str(folder))
            raise DataError(f"{empty}: class folder without a picture; add pictures or remove it")
    return folders


def _same_classes(parts: dict[str, Location]) -> None:
    if "val" not in parts:
        return
    names = {part: {folder.name for folder in _folders(top)} for part, top in parts.items()}
    for part, other in (("train", "val"), ("val", "train")):
        missing = sorted(names[part] - names[other])
        if missing:
            raise DataError(
                f"{printable(str(parts[other]))} lacks the class {printable(missing[0])!r} that "
                f"{printable(str(parts[part]))} has; both need the same classes"
            )


def _folders(top: Location) -> list[Location]:
    try:
        names = [name for name in folder_names(top) if is_used_folder(name)]
    except OSError as error:
        shown = printable(str(top))
        raise DataError(f"{shown}: {os_error_text(error)}; make it readable") from None
    return [top / name for name in sorted(names)]


def _files_below(folder: Location) -> Iterator[Location]:
    for here, folders, files in walk_links(folder):
        folders[:] = sorted(name for name in folders if is_used_folder(name))
        yield from (here / name for name in sorted(files) if is_image_name(name))


def is_used_folder(folder_name: str) -> bool:
    """Whether a folder of this name may hold pictures: not one of a system or a tool."""
    return not folder_name.startswith(".") and folder_name.lower() not in _SYSTEM_FOLDERS


def is_image_name(file_name: str) -> bool:
    """Whether a file is a picture by its name."""
    return not file_name.startswith(".") and Path(file_name).suffix.lower() in EXTENSIONS
