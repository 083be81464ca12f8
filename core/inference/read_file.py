"""Reading a picture's file, whatever stands under its name."""

import os

from core.common.errors import DataError
from core.data.decode import UnreadableImage
from core.data.source import FetchError
from core.data.sources import parse_location, source_of

LARGEST_FILE = 1 << 30


def read_bytes(file: str | os.PathLike[str]) -> bytes:
    """Return what a picture's file holds, of at most `LARGEST_FILE` bytes.

    Waits for no pipe. Raises UnreadableImage for what isn't there, is no regular file, or empty,
    and DataError for a URL's that can't be fetched.
    """
    try:
        location = parse_location(os.fspath(file))
        data = source_of(location).read(location, LARGEST_FILE)
    except DataError as error:
        if isinstance(error, FetchError) and error.is_missing:
            raise UnreadableImage("no such file") from None
        raise
    except FileNotFoundError:
        raise UnreadableImage("no such file") from None
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        raise UnreadableImage(getattr(error, "strerror", None) or "no file") from None
    if not data:
        raise UnreadableImage("the file is empty")
    return data
