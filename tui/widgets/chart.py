"""A chart on the screen: sends only the rows that changed since it was last drawn."""

from rich.text import Text
from textual.content import Content
from textual.geometry import Region
from textual.widget import Widget

from tui.widgets.plot import ChartSpec, draw


class Chart(Widget):
    """A plotext chart with a border that names it."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._spec = ChartSpec()
        self._drawn: tuple[ChartSpec, int, int] | None = None
        self._rows: list[Text] = []
        self._titles = ("", "")

    def show(self, spec: ChartSpec, title: str, legend: str) -> None:
        """Draw this from now on; the caller sees to it that this isn't too often."""
        self._spec = spec
        before = self._rows
        self._draw()
        if (title, legend) != self._titles:
            self._titles = (title, legend)
            # As Content: a plain string would be read as markup. This repaints the whole widget.
            self.border_title = Content(title)
            self.border_subtitle = Content(legend)
        elif len(before) != len(self._rows):
            self.refresh()
        else:
            width = self.content_size.width
            rows = enumerate(zip(before, self._rows, strict=True))
            changed = [Region(0, y, width, 1) for y, (old, new) in rows if old != new]
            if changed:
                self.refresh(*changed)

    def _draw(self) -> None:
        key = (self._spec, self.content_size.width, self.content_size.height)
        if key != self._drawn:
            self._drawn = key
            self._rows = list(draw(*key).split("\n", allow_blank=True))

    def render(self) -> Text:
        """Return the chart as text."""
        self._draw()
        return Text("\n").join(self._rows)
