"""A box with a title, or one line where rows are scarce."""

from textual.content import Content
from textual.widgets import Static


class Panel(Static):
    """Shows a few lines of figures under a title; updated only when they changed."""

    def __init__(self, title: str, id: str) -> None:
        super().__init__("", id=id, markup=False)
        self._title = title
        self._shown: tuple[str, tuple[str, ...], bool] | None = None

    def show(self, lines: list[str], flat: bool, title: str = "") -> None:
        """Show these lines: under each other in a box, or `flat` beside the title."""
        now = (title or self._title, tuple(lines), flat)
        if now == self._shown:
            return
        before, self._shown = self._shown, now
        if flat:
            label = f"{self._title:<9}"
            text = Content.assemble((label, "$foreground 60%"), " · ".join(lines))
            if width := self.content_size.width:
                text = text.truncate(width, ellipsis=True)
        else:
            if before is None or before[0] != now[0] or before[2]:
                self.border_title = Content(now[0])
            text = Content("\n".join(lines))
        # Its height is fixed: a new layout would repaint the whole screen.
        self.update(text, layout=False)
