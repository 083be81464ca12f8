"""Build the control sequences that the app sends to the terminal itself.

As xterm's control sequences have them (OSC 2 for the title, window operations 22 and 23 for its
stack) and iTerm2's OSC 9 for desktop notifications.
"""

from core.common.text import printable

BELL = "\x07"
PUSH_TITLE = "\x1b[22;2t"
"""Save the terminal's title on its stack."""
POP_TITLE = "\x1b[23;2t"
"""Restore the title that PUSH_TITLE has saved."""
_MAX_LENGTH = 100


def set_title(text: str) -> str:
    """Return the sequence that sets the terminal's title; nothing in `text` can end it."""
    return f"\x1b]2;{printable(text)[:_MAX_LENGTH]}{BELL}"


def desktop_notification(text: str) -> str:
    """Return the sequence that shows a desktop notification, where the terminal supports it."""
    return f"\x1b]9;{printable(text)[:_MAX_LENGTH]}{BELL}"
