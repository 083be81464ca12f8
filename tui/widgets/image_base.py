"""Base class of widgets that show an image."""

from typing import Any

from textual.widget import Widget


class ImageWidget(Widget):
    """A widget that shows an image."""

    def put(self, image: Any) -> None:
        """Show a Pillow image, or none."""
