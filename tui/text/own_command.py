"""Command lines of this program for a run, ready to paste."""

import shlex
from pathlib import Path

from core.common.text import printable
from core.run.folder import DEFAULT_DIR, RunFolder


def own_command(options: str, folder: RunFolder) -> str:
    """Return `convnext-tui OPTIONS RUN`, which finds the run from the current directory."""
    runs_dir = folder.path.absolute().parent
    place = "" if runs_dir == Path(DEFAULT_DIR).absolute() else f" --runs-dir {_quoted(runs_dir)}"
    return f"convnext-tui {options} {_quoted(folder.id)}{place}"


def _quoted(value: str | Path) -> str:
    return printable(shlex.quote(str(value)))
