"""Command lines of this program for a run, ready to paste."""

import shlex
from pathlib import Path
from typing import Protocol

from core.common.text import printable
from core.run.folder import DEFAULT_DIR


class HasFolder(Protocol):
    """A run or study."""

    @property
    def path(self) -> Path:
        """Its folder."""

    @property
    def id(self) -> str:
        """Its id."""


def own_command(options: str, folder: HasFolder) -> str:
    """Return `convnext-tui OPTIONS RUN`, which finds run or study from the current directory."""
    runs_dir = folder.path.absolute().parent
    place = "" if runs_dir == Path(DEFAULT_DIR).absolute() else f" --runs-dir {_quoted(runs_dir)}"
    return f"convnext-tui {options} {_quoted(folder.id)}{place}"


def _quoted(value: str | Path) -> str:
    return printable(shlex.quote(str(value)))
