"""Printing once to standard output, for a terminal or a log."""

import sys
from io import TextIOWrapper

from rich.console import Console

WIDTH_WITHOUT_TERMINAL = 100


def output(width: int | None = None) -> Console:
    """Return what prints `width` columns, or as many as the terminal has."""
    # A terminal that doesn't know a sign must not keep the rest from being read.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    console = Console(highlight=False, width=width)
    if width is None and not console.is_terminal:
        return Console(highlight=False, width=WIDTH_WITHOUT_TERMINAL)
    return console
