"""Keep messages of image libraries off the terminal of a command."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.common.native_stderr import native_stderr_to
from core.data.decode import silence_pillow


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Discard warnings, log records and native messages of the libraries that decode images.

    They lack the file name; a problem that matters is reported with it by the command.
    """
    silence_pillow()
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    with native_stderr_to(Path(os.devnull)):
        yield
