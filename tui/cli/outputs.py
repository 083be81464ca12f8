"""Files that a command was asked to write: told of, or an error in one line."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from core.common.errors import SetupError
from core.common.text import printable


def check_outputs(*written: tuple[str, str | None], inputs: Sequence[str] = ()) -> None:
    """Raise SetupError where an option's (name, file) can't be written, or two would write the
    same file, or one of them an input: before what takes long, not after it."""
    taken = {os.path.realpath(path): "a picture that is read" for path in inputs}
    for option, file in written:
        if file is None:
            continue
        place = os.path.realpath(file)
        if place in taken:
            raise SetupError(f"{option} {printable(file)} is {taken[place]}: give another")
        taken[place] = f"the file of {option} too"
        why = _why_not(Path(file))
        if why:
            raise SetupError(f"{printable(file)} can't be written: {why}")


def _why_not(file: Path) -> str:
    folder = printable(str(file.parent))
    if file.is_dir():
        return "it is a folder; give a file in it"
    if not file.parent.is_dir():
        return f"there is no folder {folder}; make it first"
    if not file.exists() and not os.access(file.parent, os.W_OK):
        return f"you may not write into {folder}; give a file in another folder"
    return ""


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """Turn an OSError of the block into a SetupError that names the file; else say it is there."""
    shown = printable(str(file))
    try:
        yield
    except OSError as error:
        raise SetupError(f"{shown} can't be written: {error.strerror or error}") from None
    click.echo(f"written: {shown}", err=True)
