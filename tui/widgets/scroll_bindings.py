"""Keys that scroll a text by lines and pages."""

from textual.binding import Binding

_PAGE = 15
"""Lines per page key: less than a terminal of 24 rows shows, so that no line is skipped."""

SCROLL_BINDINGS = (
    Binding("up,k", "scroll(-1)", "Up", show=False, tooltip="Scroll up one line"),
    Binding("down,j", "scroll(1)", "Down", show=False, tooltip="Scroll down one line"),
    Binding("pageup", f"scroll({-_PAGE})", "Page up", show=False, tooltip="Scroll up one page"),
    Binding("pagedown", f"scroll({_PAGE})", "Page down", show=False,
            tooltip="Scroll down one page"),
)  # fmt: skip
"""For a screen or tab with an `action_scroll(lines)`."""
