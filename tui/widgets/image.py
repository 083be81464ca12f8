"""Image widgets, from textual-image. Import only through `tui.widgets.image_factory`: the library
queries the terminal when it is imported."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from textual.geometry import Region
from textual.strip import Strip
from textual_image.widget import HalfcellImage, SixelImage, TGPImage

from tui.widgets.image_base import ImageWidget

if TYPE_CHECKING:
    from textual.app import App


class HalfBlocks(HalfcellImage, ImageWidget, Renderable=HalfcellImage._Renderable):
    """Two pixels per cell, for any color terminal."""

    def put(self, image: Any) -> None:
        """Show another image, or none."""
        self.image = image


class Sixels(SixelImage, ImageWidget, Renderable=SixelImage._Renderable):
    """Real pixels, for terminals with sixels."""

    def put(self, image: Any) -> None:
        """Show another image, or none."""
        self.image = image


class KittyImage(TGPImage, ImageWidget, Renderable=TGPImage._Renderable):
    """Real pixels, for terminals with kitty's graphics protocol.

    The library writes images to the terminal directly. From a thread other than the one that writes
    frames they could end up inside a frame, and a slow terminal would block the app: so they are
    captured and sent through the app's driver.
    """

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw the placeholders after sending the image."""
        with _captured(self.app):
            return super().render_lines(crop)

    def put(self, image: Any) -> None:
        """Show another image, or none; delete the previous one from the terminal."""
        with _captured(self.app):
            self.image = image

    def on_unmount(self) -> None:
        """Free the image in the terminal's memory."""
        self.put(None)


@contextmanager
def _captured(app: "App[object]") -> Iterator[None]:
    terminal, captured = sys.__stdout__, io.StringIO()
    sys.__stdout__ = captured  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        sys.__stdout__ = terminal  # type: ignore[misc]
        if captured.tell() and app._driver is not None:
            app._driver.write(captured.getvalue())


CLASSES: dict[str, Any] = {"half-blocks": HalfBlocks, "kitty": KittyImage, "sixel": Sixels}
