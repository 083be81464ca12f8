"""Log of a run."""

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Resize
from textual.widgets import RichLog

from core.common import format as fmt
from core.run.state import LOG_LINES, RunState
from tui.preferences.palettes import palette_of
from tui.text import run_status


class RunLog(Vertical):
    """Scrollable log; `whole` wraps long lines even if the log has a single row."""

    def __init__(self, id: str, whole: bool = False) -> None:
        super().__init__(id=f"{id}-box", classes="log-box")
        self.border_title = "Log"
        self._whole = whole
        self._state = RunState()
        self._written = 0
        self._day: str | None = None
        """Date of the last line; the first line of another day is preceded by its date."""
        self._width = 0
        self._dark = True
        self._log = RichLog(
            id=id, classes="log", markup=False, wrap=True, min_width=20, max_lines=LOG_LINES
        )

    def compose(self) -> ComposeResult:
        """Create the log."""
        yield self._log

    @property
    def _has_border(self) -> bool:
        return self.styles.border_top[0] not in ("", "none")

    @property
    def _line_width(self) -> int:
        """Width of a line in cells. Lines are wrapped once, when they are written."""
        return max(20, self.app.size.width - (6 if self._has_border else 3))

    def on_resize(self, event: Resize) -> None:
        """Rewrite the lines in the new width."""
        if self._width != self._line_width:
            self._clear()
            self.show(self._state)

    def _clear(self) -> None:
        self._log.clear()
        self._written = 0
        self._day = None

    def show(self, state: RunState) -> None:
        """Append new lines."""
        self._state = state
        dark = self.app.current_theme.dark
        # Written lines keep their colors; a replay that goes back has fewer lines.
        if dark != self._dark or state.log_count < self._written:
            self._dark = dark
            self._clear()
        new = state.log_count - self._written
        if not new:
            return
        self._written = state.log_count
        self._width = self._line_width
        lines, palette = [], palette_of(self.app)
        for line in list(state.log)[-min(new, len(state.log)) :]:
            if self._day not in (None, day := fmt.date(line.time)):
                lines.append(Text(day, "dim"))
            self._day = day
            text = run_status.log_line(line.time, line.level, line.text, palette)
            if not (self._whole or self._has_border):  # one row: truncate instead of wrapping
                text.truncate(self._width, overflow="ellipsis")
            lines += self._wrapped(text)
        # In one call: each one scrolls, and the log of a long run has two thousand lines.
        self._log.write(Text("\n").join(lines), width=self._width)

    def _wrapped(self, line: Text) -> list[Text]:
        """Return a line in rows of the log's width; all but the first start below its text."""
        indent = run_status.LOG_INDENT
        if line.cell_len <= self._width or self._width < 3 * indent:
            return [line]
        rows = line[indent:].wrap(self.app.console, self._width - indent)
        pad = Text(" " * indent)
        return [pad + row if number else line[:indent] + row for number, row in enumerate(rows)]

    def move(self, lines: int) -> None:
        """Scroll by lines; at its end the log follows new lines again."""
        self._log.scroll_relative(y=lines, animate=False)
        self._log.auto_scroll = self._log.scroll_offset.y + lines >= self._log.max_scroll_y

    def go_to_end(self, newest: bool) -> None:
        """Scroll to the newest line and follow the log, or scroll to the oldest."""
        self._log.auto_scroll = newest
        (self._log.scroll_end if newest else self._log.scroll_home)(animate=False)
