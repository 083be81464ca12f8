"""A screen's uppermost line, which tells when it is on the terminal."""

from textual.message import Message
from textual.widgets import Static


class FirstLine(Static):
    """Work that begins before `Drawn` takes from the first frame's own time, in a thread too:
    both need the interpreter's lock. `call_after_refresh` comes too early: the first refresh of a
    new screen draws it without its widgets."""

    class Drawn(Message):
        """The line has got its place; what it says was drawn with that."""

    def on_show(self) -> None:
        """It is laid out for the first time."""
        self.post_message(self.Drawn())
