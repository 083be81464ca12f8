"""Decide which files are images: by their names, and where these say nothing by the first bytes."""

from dataclasses import dataclass
from pathlib import Path, PurePath

from core.common.files import read_head
from core.common.left_out import LeftOut
from core.data.image_format import HEAD_BYTES, JPEG_XL, image_format
from core.data.source import Location

EXTENSIONS = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".jp2", ".avif", ".heic", ".heif"),
}
_UNSUPPORTED = {
    *(".jxl", ".jxr", ".hdp", ".wdp", ".svg", ".psd", ".psb", ".ai", ".eps", ".ico", ".cur"),
    *(".exr", ".hdr", ".dcm", ".dicom", ".nii", ".fits", ".fit", ".xcf", ".kra", ".bpg", ".flif"),
    # Of cameras and microscopes: they begin as a TIFF, with a small preview as the first image.
    *(".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".dng", ".orf", ".rw2", ".raf", ".pef"),
    *(".srw", ".3fr", ".iiq", ".x3f", ".czi", ".lif", ".nd2", ".svs", ".ndpi", ".mrxs", ".vsi"),
}
_NO_IMAGES = {
    *(".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".md", ".rst"),
    *(".html", ".htm", ".log", ".ini", ".cfg", ".db", ".sqlite", ".py", ".ipynb", ".sh", ".bat"),
    *(".pdf", ".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".odt", ".ods", ".lnk", ".url"),
    *(".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".npy", ".npz", ".pkl", ".h5"),
    *(".hdf5", ".parquet", ".mat", ".pt", ".pth", ".mp4", ".avi", ".mov", ".mkv", ".webm", ".mp3"),
    # Copies that programs make, and files that are not complete.
    *(".bak", ".old", ".orig", ".tmp", ".part", ".crdownload", ".download"),
}
_LONGEST = 12
_SYSTEM_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}


@dataclass(frozen=True, slots=True)
class FileKind:
    """Whether a file is used as an image, and if not, why."""

    is_image: bool = False
    is_hidden: bool = False
    """Whether it is hidden or of an operating system: not worth a word."""
    unsupported: str = ""
    """Suffix or format of an image that can't be read."""


_IMAGE, _HIDDEN, _OTHER = FileKind(is_image=True), FileKind(is_hidden=True), FileKind()


def is_image_name(file_name: str) -> bool:
    """Return whether a file has the extension of an image and isn't hidden."""
    return not file_name.startswith(".") and Path(file_name).suffix.lower() in EXTENSIONS


def is_image(file: Location, by_content: bool = True) -> bool:
    """Return whether a file is used as an image; see `file_kind`."""
    return file_kind(file, by_content).is_image


def file_kind(file: Location, by_content: bool = True) -> FileKind:
    """Return the kind of a file.

    A local file whose name says nothing is opened, unless its name alone is to count: its content
    decides.
    """
    name = file.name
    if is_image_name(name):
        return _IMAGE
    if name.startswith(".") or name.lower() in _SYSTEM_FILES:
        return _HIDDEN
    suffix = _suffix(name)
    if suffix in _UNSUPPORTED:
        return FileKind(unsupported=suffix)
    if not by_content or suffix in _NO_IMAGES or name.endswith("~") or not isinstance(file, Path):
        return _OTHER
    try:
        found = image_format(read_head(file, HEAD_BYTES))
    except (OSError, ValueError):
        return _OTHER
    return FileKind(unsupported=found) if found == JPEG_XL else FileKind(is_image=bool(found))


def count_left_out(file: Location, kind: FileKind, left_out: LeftOut) -> None:
    """Count a file that isn't used as an image."""
    if kind.unsupported:
        left_out.unsupported[kind.unsupported] += 1
    elif not kind.is_image and not kind.is_hidden:
        suffix = _suffix(file.name)
        left_out.others[suffix if len(suffix) <= _LONGEST else "other extensions"] += 1


def _suffix(name: str) -> str:
    return PurePath(name).suffix.lower()
