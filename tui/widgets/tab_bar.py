"""One line with the tabs of a screen, by number and name."""

from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widgets import Static


class TabBar(Horizontal):
    """The number is the key; a click opens a tab too."""

    @dataclass
    class Chosen(Message):
        """Someone clicked a tab."""

        name: str

    def __init__(self, names: list[str]) -> None:
        super().__init__(id="tab-bar")
        self._labels = {
            name: Static(Content(f" {number} {name} "), id=f"tab-{name}", classes="tab-label")
            for number, name in enumerate(names, 1)
        }
        self.show(names[0])

    def compose(self) -> ComposeResult:
        """Labels beside each other."""
        yield from self._labels.values()

    def show(self, name: str) -> None:
        """Mark the open tab."""
        for other, label in self._labels.items():
            label.set_class(other == name, "-open")

    def on_click(self, event: Click) -> None:
        """Tell which tab was clicked."""
        id = (event.widget.id if event.widget else None) or ""
        if id.startswith("tab-") and id.removeprefix("tab-") in self._labels:
            self.post_message(self.Chosen(id.removeprefix("tab-")))
