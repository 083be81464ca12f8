"""Open the console that tables and summaries are printed to."""

import sys
from io import TextIOWrapper

from rich.console import Console

WIDTH_WITHOUT_TERMINAL = 100


def open_console(
    width: int | None = None, without_terminal: int = WIDTH_WITHOUT_TERMINAL
) -> Console:
    """Return a console of `width` columns; by default as wide as the terminal.

    `without_terminal` is the default where standard output is no terminal.
    """
    # A terminal whose encoding lacks a symbol must not fail the rest of the output.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    console = Console(highlight=False, width=width)
    if width is None and not console.is_terminal:
        return Console(highlight=False, width=without_terminal)
    return console
