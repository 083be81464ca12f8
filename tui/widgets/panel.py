"""A box with a title, or one line where rows are scarce."""

from textual.content import Content
from textual.events import Resize
from textual.widgets import Static


class Panel(Static):
    """Shows a few lines of figures under a title; updated only when they changed."""

    def __init__(self, title: str, id: str) -> None:
        super().__init__("", id=id, markup=False)
        self._title = title
        self._shown: tuple[str, tuple[str, ...], bool] | None = None
        self._boxed = False

    def show(self, lines: list[str], flat: bool, title: str = "") -> None:
        """Show these lines: under each other in a box, or `flat` beside the title."""
        now = (title or self._title, tuple(lines), flat)
        if now != self._shown:
            self._shown = now
            self._draw(*now)

    def on_resize(self, event: Resize) -> None:
        """A line is cut to its new width, once the padding is known too."""
        self.call_after_refresh(self._draw_again)

    def _draw_again(self) -> None:
        # What is shown by now, which may be more than when the size changed.
        if self._shown:
            self._draw(*self._shown)

    def _draw(self, title: str, lines: tuple[str, ...], flat: bool) -> None:
        if flat:
            text = Content.assemble((f"{self._title:<9}", "$foreground 60%"), " · ".join(lines))
            if width := self.content_size.width:
                text = text.truncate(width, ellipsis=True)
        else:
            if str(self.border_title or "") != title or not self._boxed:
                self.border_title = Content(title)
            text = Content("\n".join(lines))
        self._boxed = not flat
        # Its height is fixed: a new layout would repaint the whole screen.
        self.update(text, layout=False)
