"""Panel with a title: a box, or a single line on small terminals."""

from textual.content import Content
from textual.events import Resize
from textual.widgets import Static


class Panel(Static):
    """Show a few lines of figures, the most important ones first; redrawn only when they change."""

    def __init__(self, title: str, id: str) -> None:
        super().__init__("", id=id, markup=False)
        self._title = title
        self._shown: tuple[str, tuple[str, ...], bool] | None = None
        self._boxed = False

    def show(self, lines: list[str], flat: bool, title: str = "") -> None:
        """Show lines in a box, or all in one line after the title if `flat`."""
        shown = (title or self._title, tuple(lines), flat)
        if shown != self._shown:
            self._shown = shown
            self._draw(*shown)

    def on_resize(self, event: Resize) -> None:
        """Truncate the line to the new width."""
        if self._shown:
            self._draw(*self._shown)

    def _draw(self, title: str, lines: tuple[str, ...], flat: bool) -> None:
        if flat:
            text = _one_line(f"{self._title:<9}", lines, self.content_size.width)
        else:
            if str(self.border_title or "") != title or not self._boxed:
                self.border_title = Content(title)
            text = Content("\n".join(lines))
        self._boxed = not flat
        # Without layout, as the height is fixed: a layout would repaint the whole screen.
        self.update(text, layout=False)


def _one_line(title: str, lines: tuple[str, ...], width: int) -> Content:
    """Return as many lines as fit into one of `width` cells, 0 for any; at least the first one."""
    text = Content.assemble((title, "$foreground 60%"), *lines[:1])
    for line in lines[1:]:
        longer = text + Content(f" · {line}")
        if width and longer.cell_length > width:
            break
        text = longer
    return text.truncate(width, ellipsis=True) if width else text
