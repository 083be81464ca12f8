"""Expand command-line arguments (files, folders, patterns, stdin) to image paths."""

import glob
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from core.common.errors import SetupError
from core.common.left_out import LeftOut
from core.common.location import absolute_location, is_url, location_name
from core.common.text import printable
from core.data.file_kind import is_image_name
from core.data.image_folder import image_files
from core.data.source import Location
from core.data.sources import parse_location

STDIN = "-"


class InputError(SetupError):
    """An argument that matches no image."""


def image_paths(arguments: Sequence[str], left_out: LeftOut | None = None) -> Iterator[str]:
    """Return the image paths that the arguments name.

    A folder (local or URL) expands to the image files in it and its subfolders, by file name; a
    pattern (`*`, `?`, `[…]`, `**`) to the files that match; `-` to the lines of standard input;
    anything else is a file, whether or not it exists. The order depends on the names alone: while
    the files don't change, the same arguments give the same list. Only the names of one local
    folder are held in memory at a time. Other files of the folders are counted in `left_out`.
    Raises InputError, before the first path, for a folder or pattern without images.
    """
    for argument in arguments:
        if argument != STDIN and next(_expand(argument), None) is None:
            problem = "no image in it" if _is_folder(argument) else "no file matches this pattern"
            raise InputError(f"{printable(argument)}: {problem}")
    return chain.from_iterable(_expand(argument, left_out) for argument in arguments)


def _expand(argument: str, left_out: LeftOut | None = None) -> Iterator[str]:
    if argument == STDIN:
        return _lines(sys.stdin.buffer)
    if _is_folder(argument):
        return images_below(parse_location(argument), left_out)
    if is_url(argument):
        return iter([absolute_location(argument)])
    if glob.has_magic(argument) and not os.path.lexists(argument):
        # Path.glob doesn't accept absolute patterns.
        found = glob.iglob(argument, recursive=True)  # noqa: PTH207
        return _unique(sorted(path for path in found if Path(path).is_file()))
    return iter([argument])


def _unique(paths: Iterable[str]) -> Iterator[str]:
    """Yield each file once: `**` follows links, also one that leads back up."""
    resolved: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in resolved:
            resolved[folder] = os.path.realpath(folder)
        if (resolved[folder], name) not in seen:
            seen.add((resolved[folder], name))
            yield path


def _is_folder(argument: str) -> bool:
    if is_url(argument):
        return not is_image_name(location_name(argument)) and parse_location(argument).is_dir()
    return os.path.isdir(argument)  # noqa: PTH112 - Path raises for a name with a zero byte


def _lines(lines: Iterable[bytes]) -> Iterator[str]:
    for line in lines:
        # Lists written on Windows end their lines with a carriage return, which no name does.
        if path := os.fsdecode(line.removesuffix(b"\n").removesuffix(b"\r")):
            yield path


def images_below(folder: Location, left_out: LeftOut | None = None) -> Iterator[str]:
    """Yield the image files in a folder and its subfolders, sorted within each folder: the same
    files that training uses. The others are counted in `left_out`."""
    return map(str, image_files(folder, left_out))
