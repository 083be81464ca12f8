"""Standard input and output of a command, where the caller has closed them or they fail."""

import os
import sys
from contextlib import suppress

EXIT_BROKEN_PIPE = 141
"""As of a program that SIGPIPE has ended: the reader of the output has exited, as `head` does."""


def open_missing_streams() -> None:
    """Open closed standard streams as /dev/null.

    Otherwise the next files that are opened get their numbers, and what is printed goes there.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            stream = os.fdopen(number, mode, encoding="utf-8", closefd=False)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


def flush_output() -> None:
    """Write what is still buffered for standard output; raises OSError."""
    with suppress(ValueError):  # it is closed
        sys.stdout.flush()


def discard_output() -> None:
    """Let later writes to standard output, those at exit included, go nowhere."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.close(devnull)
