"""First line of a screen, which reports when the first frame is on the terminal."""

from textual.message import Message
from textual.widgets import Static


class FirstLine(Static):
    """Post `Drawn` after the first frame, for work that must not delay it.

    A thread is not enough, as it shares the GIL with the first frame. `call_after_refresh` is too
    early: the first refresh of a new screen draws it without its widgets.
    """

    class Drawn(Message):
        """The line has been laid out and drawn."""

    def on_show(self) -> None:
        """Report that the line was drawn."""
        self.post_message(self.Drawn())
