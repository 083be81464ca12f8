"""Which pictures are meant: files, folders, patterns, or a list; always in the same order."""

import glob
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from core.common.errors import SetupError
from core.common.location import absolute_location, is_url, location_name
from core.common.text import printable
from core.data.image_folder import image_files, is_image_name
from core.data.source import Location
from core.data.sources import parse_location

STDIN = "-"


class InputError(SetupError):
    """Arguments that name no picture."""


def picture_paths(arguments: Sequence[str]) -> Iterator[str]:
    """Return the paths of pictures, as they were given or as they are found below what was given.

    A folder, here or by a URL, gives the files in it and in its sub folders that are pictures by
    their name; a pattern (`*`, `?`, `[…]`, `**`) the files that fit it; `-` the lines of standard
    input; anything else is a file, whether or not it is there. The order depends on nothing but the
    names: the same arguments give the same list while the files stay. Only the names of one folder
    of this machine are held at a time. Raises InputError, at once, for a folder or pattern without
    a picture.
    """
    for argument in arguments:
        if argument != STDIN and next(_paths(argument), None) is None:
            what = "no picture in it" if _is_folder(argument) else "no file fits this pattern"
            raise InputError(f"{printable(argument)}: {what}")
    return chain.from_iterable(map(_paths, arguments))


def _paths(argument: str) -> Iterator[str]:
    if argument == STDIN:
        return _lines(sys.stdin.buffer)
    if _is_folder(argument):
        return pictures_below(parse_location(argument))
    if is_url(argument):
        return iter([absolute_location(argument)])
    if glob.has_magic(argument) and not os.path.lexists(argument):
        # Path.glob takes no pattern that is absolute.
        found = glob.iglob(argument, recursive=True)  # noqa: PTH207
        return _once(sorted(path for path in found if Path(path).is_file()))
    return iter([argument])


def _once(paths: Iterable[str]) -> Iterator[str]:
    """Yield paths but those of a folder that was seen already: `**` goes round with a link that
    leads back up."""
    known: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in known:
            known[folder] = os.path.realpath(folder)
        if (known[folder], name) not in seen:
            seen.add((known[folder], name))
            yield path


def _is_folder(argument: str) -> bool:
    if is_url(argument):
        return not is_image_name(location_name(argument)) and parse_location(argument).is_dir()
    return os.path.isdir(argument)  # noqa: PTH112 - Path raises for a name with a zero byte


def _lines(lines: Iterable[bytes]) -> Iterator[str]:
    for line in lines:
        if path := os.fsdecode(line.removesuffix(b"\n")):
            yield path


def pictures_below(folder: Location) -> Iterator[str]:
    """Yield the files in a folder and its sub folders that are pictures by their name, sorted
    within each folder: the same ones that training would find."""
    return map(str, image_files(folder))
