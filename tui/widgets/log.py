"""The log of a run, line by line as it comes."""

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Resize
from textual.widgets import RichLog

from core.run.state import LOG_LINES, RunState
from tui.preferences.palettes import palette_of
from tui.text import run_status


class RunLog(Vertical):
    """A box that scrolls; `whole` wraps long lines even where rows are scarce."""

    def __init__(self, id: str, whole: bool = False) -> None:
        super().__init__(id=f"{id}-box", classes="log-box")
        self.border_title = "log"
        self._whole = whole
        self._written = 0
        self._width = 0
        self._dark = True
        self._log = RichLog(
            id=id, classes="log", markup=False, wrap=True, min_width=20, max_lines=LOG_LINES
        )

    def compose(self) -> ComposeResult:
        """One log."""
        yield self._log

    @property
    def _has_border(self) -> bool:
        return self.styles.border_top[0] not in ("", "none")

    @property
    def _line_width(self) -> int:
        """Cells of a line: they are wrapped once, when they are written."""
        return max(20, self.app.size.width - (6 if self._has_border else 3))

    def on_resize(self, event: Resize) -> None:
        """Write the lines anew in the new width, with the next look at the run."""
        self.call_after_refresh(self._forget_old_width)  # the border comes or goes by then

    def _forget_old_width(self) -> None:
        if self._width != self._line_width:
            self._forget()

    def _forget(self) -> None:
        self._log.clear()
        self._written = 0

    def show(self, state: RunState) -> None:
        """Add the lines that are new."""
        dark = self.app.current_theme.dark
        if dark != self._dark:  # lines keep the colours that they were written with
            self._dark = dark
            self._forget()
        new = state.log_count - self._written
        if not new:
            return
        self._written = state.log_count
        self._width = self._line_width
        lines, palette = [], palette_of(self.app)
        for line in list(state.log)[-min(new, len(state.log)) :]:
            text = run_status.log_line(line.time, line.level, line.text, palette)
            if not (self._whole or self._has_border):  # one row: cut off rather than wrapped
                text.truncate(self._width, overflow="ellipsis")
            lines.append(text)
        # At once: each writing scrolls, and the log of a long run has two thousand lines.
        self._log.write(Text("\n").join(lines), width=self._width)

    def move(self, lines: int) -> None:
        """Scroll by lines; it follows the run again once its end is reached."""
        self._log.scroll_relative(y=lines, animate=False)
        self._log.auto_scroll = self._log.scroll_offset.y + lines >= self._log.max_scroll_y

    def go_to_end(self, newest: bool) -> None:
        """Show the newest or the oldest line."""
        self._log.auto_scroll = newest
        (self._log.scroll_end if newest else self._log.scroll_home)(animate=False)
