"""Table of image sources: the first one that accepts a path or URL opens it.

A new source implements `ImageSource` and is registered once, for example when its module is
imported; scanning, splitting, loading, prediction and the image views then read from it.
"""

from typing import Any

from core.data.local import LocalSource
from core.data.remote import RemoteSource
from core.data.source import ImageSource, L, Location

_SOURCES: list[ImageSource[Any]] = [RemoteSource(), LocalSource()]


def register_source(source: ImageSource[Any]) -> None:
    """Add a source ahead of the others."""
    _SOURCES.insert(0, source)


def unregister_source(source: ImageSource[Any]) -> None:
    """Remove a source that was registered."""
    _SOURCES.remove(source)


def parse_location(text: str) -> Location:
    """Return the location of a path or of a URL such as `s3://bucket/photos`, without access.

    Raises DataError for an invalid URL, such as one with a password.
    """
    source = next(source for source in _SOURCES if source.accepts(text))
    location: Location = source.location(text)
    return location


def source_of(location: L) -> ImageSource[L]:
    """Return the source that a location came from."""
    return next(source for source in _SOURCES if source.owns(location))
