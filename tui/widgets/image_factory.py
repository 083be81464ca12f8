"""Create image widgets without the terminal queries of textual-image."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tui.terminal.graphics import cell_pixels
from tui.widgets.image_base import ImageWidget


def make_image_widget(kind: str) -> ImageWidget:
    """Create the widget for a graphics mode. Call it in the app's thread."""
    with _without_queries():
        from tui.widgets import image as image_widgets

    view: ImageWidget = image_widgets.CLASSES[kind]()
    return view


@contextmanager
def _without_queries() -> Iterator[None]:
    """Import textual-image without its terminal queries, with the cell size in the environment."""
    pixels = cell_pixels()
    terminal, sys.__stdout__ = sys.__stdout__, io.StringIO()  # type: ignore[misc, assignment]
    names = ("TEXTUAL_CELL_WIDTH", "TEXTUAL_CELL_HEIGHT")
    given = {} if pixels is None else dict(zip(names, map(str, pixels), strict=True))
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        sys.__stdout__ = terminal  # type: ignore[misc]
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
