"""Files that a command was asked to write: told of, or an error in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from core.errors import SetupError
from core.text import printable


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """Turn an OSError of the block into a SetupError that names the file; else say it is there."""
    shown = printable(str(file))
    try:
        yield
    except OSError as error:
        raise SetupError(f"{shown} can't be written: {error.strerror or error}") from None
    click.echo(f"written: {shown}", err=True)
