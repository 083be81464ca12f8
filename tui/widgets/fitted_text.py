"""A text that is made for the size of its widget."""

from textual.message import Message
from textual.widgets import Static


class FittedText(Static):
    """Says when its size has changed: a layout may follow later than the next refresh."""

    class Resized(Message):
        """The text is to be made again."""

    def on_resize(self) -> None:
        """Report the new size."""
        self.post_message(self.Resized())
