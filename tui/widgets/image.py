"""Image widgets, from textual-image. Import only through `tui.widgets.image_factory`: the library
queries the terminal when it is imported."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from random import randrange
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult, RenderResult
from textual.geometry import Region, Size
from textual.strip import Strip
from textual_image._pixeldata import PixelData
from textual_image._terminal import CellSize
from textual_image.renderable.tgp import Image as TGPRenderable
from textual_image.widget import HalfcellImage, SixelImage, TGPImage
from textual_image.widget._base import Image as BaseImage
from textual_image.widget.sixel import _ImageSixelImpl

from tui.widgets.image_base import ImageWidget

if TYPE_CHECKING:
    from textual.app import App

_IDS = (1 << 32) - 1
"""Number of image ids; 0 is none."""
_CHUNK = 4096
"""Most characters of a chunk of image data."""


class HalfBlocks(HalfcellImage, ImageWidget, Renderable=HalfcellImage._Renderable):
    """Two pixels per cell, for any color terminal."""

    def put(self, image: Any) -> None:
        """Show another image, or none."""
        self.image = image


class _FittedWidth(BaseImage, Renderable=HalfcellImage._Renderable):
    """An image whose width follows from its height in whole cells: the library rounds both, so that
    the image could be smaller than its widget."""

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Return the width of the image at its height."""
        width = super().get_content_width(container, viewport)
        height = self.get_content_height(container, viewport, width)
        return super().get_content_width(Size(width, height), viewport)


class _SixelPixels(_ImageSixelImpl):
    """Sixels that fill all cells of the widget; the library leaves some pixels black."""

    def _scale_image(self, image_data: PixelData, terminal_sizes: CellSize) -> PixelData:
        size, cell = self.content_size, terminal_sizes
        return image_data.scaled(size.width * cell.width, size.height * cell.height)


class Sixels(_FittedWidth, SixelImage, ImageWidget, Renderable=SixelImage._Renderable):
    """Real pixels, for terminals with sixels."""

    def compose(self) -> ComposeResult:
        """Create the widget that draws the pixels."""
        yield _SixelPixels(self.image, self._sixel_options)

    def put(self, image: Any) -> None:
        """Show another image, or none."""
        self.image = image


class _KittyRenderable(TGPRenderable):
    """An image for kitty's graphics protocol, with the commands as the protocol specifies them."""

    _ids = count(randrange(_IDS))

    def cleanup(self) -> None:
        """Free the image in the terminal's memory.

        The library's command deletes all visible images instead, and frees none.
        """
        if self.terminal_image_id:
            _send(f"a=d,d=I,i={self.terminal_image_id},q=2")
            self.terminal_image_id = None

    def _send_image_to_terminal(self, width: int, height: int) -> None:
        self.terminal_image_id = 1 + next(self._ids) % _IDS
        data = self._image_data.scaled(width, height).to_base64()
        keys = f"i={self.terminal_image_id},f=100,"
        for start in range(0, len(data), _CHUNK):
            more = int(start + _CHUNK < len(data))
            _send(f"{keys}q=2,m={more};{data[start : start + _CHUNK]}")
            keys = ""  # of the first chunk only


def _send(command: str) -> None:
    sys.__stdout__.write(f"\x1b_G{command}\x1b\\")  # type: ignore[union-attr]


class KittyImage(_FittedWidth, TGPImage, ImageWidget, Renderable=_KittyRenderable):
    """Real pixels, for terminals with kitty's graphics protocol.

    The library writes images to the terminal directly. From a thread other than the one that writes
    frames they could end up inside a frame, and a slow terminal would block the app: so they are
    captured and sent through the app's driver.

    Behind a dialog the image is drawn with half blocks: Textual dims the colors there, but the
    color of a placeholder is the id of its image.
    """

    _rendered_size = Size()

    def on_mount(self) -> None:
        """Follow the dialogs above the screen, and stops of the process."""
        self.watch(self.screen, "stack_updates", self._redraw, init=False)
        self.app.app_resume_signal.subscribe(self, lambda _: self._send_again())

    def _redraw(self) -> None:
        self.refresh()

    def _send_again(self) -> None:
        """Send the image again: a terminal has no images when it enters the alternate screen."""
        self.put(self.image)

    def render(self) -> RenderResult:
        """Return the image, sent again only if it or its size has changed."""
        if self._image and not self.screen.is_active:
            return HalfcellImage._Renderable(self._image, *self._get_styled_size())
        if self._renderable is None or self._rendered_size != self.content_size:
            self._rendered_size = self.content_size
            return super().render()
        return self._renderable

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
