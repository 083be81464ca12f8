"""A picture on the terminal, by a library. Only `tui.terminal.graphics` may import this: the
library asks the terminal when it is imported."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from textual.geometry import Region
from textual.strip import Strip
from textual_image.widget import HalfcellImage, SixelImage, TGPImage

from tui.terminal.graphics import PictureView

if TYPE_CHECKING:
    from textual.app import App


class HalfBlocks(HalfcellImage, PictureView, Renderable=HalfcellImage._Renderable):
    """Two pixels a cell, in any terminal that has colours."""

    def put(self, image: Any) -> None:
        """Show another picture, or none."""
        self.image = image


class Sixels(SixelImage, PictureView, Renderable=SixelImage._Renderable):
    """Real pixels, where the terminal has sixels."""

    def put(self, image: Any) -> None:
        """Show another picture, or none."""
        self.image = image


class KittyPicture(TGPImage, PictureView, Renderable=TGPImage._Renderable):
    """Real pixels, where the terminal knows kitty's protocol.

    The library sends pictures to kitty past the app. From another thread than the one that
    writes frames they would end up in the middle of one, and a slow terminal would stop the app:
    so they are caught and go the way of everything else.
    """

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw the placeholders, after the picture was sent."""
        with _caught(self.app):
            return super().render_lines(crop)

    def put(self, image: Any) -> None:
        """Show another picture, or none; the one before is deleted from the terminal."""
        with _caught(self.app):
            self.image = image

    def on_unmount(self) -> None:
        """Leave nothing in the terminal's memory."""
        self.put(None)


@contextmanager
def _caught(app: "App[object]") -> Iterator[None]:
    terminal, caught = sys.__stdout__, io.StringIO()
    sys.__stdout__ = caught  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        sys.__stdout__ = terminal  # type: ignore[misc]
        if caught.tell() and app._driver is not None:
            app._driver.write(caught.getvalue())


CLASSES: dict[str, Any] = {"half-blocks": HalfBlocks, "kitty": KittyPicture, "sixel": Sixels}
