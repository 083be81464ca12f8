"""Line with the tabs of a screen."""

from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widgets import Static


class TabBar(Horizontal):
    """Show each tab with its key, a number. A click opens a tab too."""

    @dataclass
    class Clicked(Message):
        """A tab was clicked."""

        name: str

    def __init__(self, names: list[str]) -> None:
        super().__init__(id="tab-bar")
        self._labels = {
            name: Static(
                Content(f" {number} {name.replace('-', ' ').capitalize()} "),
                id=f"tab-{name}",
                classes="tab-label",
            )
            for number, name in enumerate(names, 1)
        }
        self.show(names[0])

    def compose(self) -> ComposeResult:
        """Create the labels."""
        yield from self._labels.values()

    def show(self, name: str) -> None:
        """Highlight the open tab."""
        for other, label in self._labels.items():
            label.set_class(other == name, "-open")

    def on_click(self, event: Click) -> None:
        """Report which tab was clicked."""
        id = (event.widget.id if event.widget else None) or ""
        if id.startswith("tab-") and id.removeprefix("tab-") in self._labels:
            self.post_message(self.Clicked(id.removeprefix("tab-")))
