"""Check and write the output files of a command."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from core.common.errors import SetupError, os_error_text
from core.common.files import write_text_atomically
from core.common.text import printable


def check_outputs(*outputs: tuple[str, str | None], inputs: Sequence[str] = ()) -> None:
    """Check output files before a long computation rather than after it.

    `outputs` are pairs of option and file. Raises SetupError where a file can't be written, is
    also an input, or is the file of two options.
    """
    used_for = {os.path.realpath(path): "one of the images to read" for path in inputs}
    for option, file in outputs:
        if file is None:
            continue
        resolved = os.path.realpath(file)
        if resolved in used_for:
            raise SetupError(
                f"{option} {printable(file)} is {used_for[resolved]}: give another file"
            )
        used_for[resolved] = f"also the file of {option}"
        problem = _problem(Path(file))
        if problem:
            raise SetupError(f"{printable(file)} can't be written: {problem}")


def _problem(file: Path) -> str:
    folder = printable(str(file.parent))
    if file.is_dir():
        return "it is a folder; give a file in it"
    if not file.parent.is_dir():
        return f"the folder {folder} does not exist; create it first"
    if not file.exists() and not os.access(file.parent, os.W_OK):
        return f"no permission to write to {folder}; give a file in another folder"
    return ""


@contextmanager
def write_errors(path: object) -> Iterator[None]:
    """Turn an OSError of the block into a SetupError that names the path."""
    try:
        yield
    except OSError as error:
        reason = os_error_text(error)
        raise SetupError(f"{printable(str(path))} can't be written: {reason}") from None


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """Report the file as written after the block; raises SetupError where it can't be written."""
    with write_errors(file):
        yield
    click.echo(f"written: {printable(str(file))}", err=True)


def write_output(name: str, text: str) -> None:
    """Write a text file, or to standard output where `name` is `-`; raises SetupError."""
    if name == "-":
        click.echo(text, nl=False)
        return
    with writing(Path(name)):
        write_text_atomically(Path(name), text)
