"""Read the content of an image file, local or remote."""

import os

from core.common.errors import DataError
from core.data.decode import MAX_BYTES, UnreadableImage
from core.data.source import FetchError
from core.data.sources import parse_location, source_of


def read_bytes(file: str | os.PathLike[str]) -> bytes:
    """Return the content of an image file, at most `MAX_BYTES` bytes.

    Never blocks on a named pipe. Raises UnreadableImage if the file is missing, empty or not a
    regular file, and DataError if a URL can't be fetched.
    """
    try:
        location = parse_location(os.fspath(file))
        data = source_of(location).read(location, MAX_BYTES)
    except DataError as error:
        if isinstance(error, FetchError) and error.is_missing:
            raise UnreadableImage("no such file") from None
        raise
    except FileNotFoundError:
        raise UnreadableImage("no such file") from None
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        raise UnreadableImage(getattr(error, "strerror", None) or "not a file") from None
    if not data:
        raise UnreadableImage("the file is empty")
    return data
