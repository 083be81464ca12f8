"""Errors that the user can fix, and the reason that an error of a library gives, in words."""

from core.common.text import printable, shortened


class UserError(ValueError):
    """An error whose text is written for the user: a sentence or two on one line."""


class SetupError(UserError):
    """A run can't start with the given settings; one line that names the setting and the fix."""


class DataError(SetupError):
    """Images can't be used or reached; one line that names the location and the fix."""


def reason_of(error: BaseException, limit: int = 200) -> str:
    """Return the text of any error as part of a sentence: printable, on one line, shortened at a
    word; the kind of error if it has no text."""
    text = printable(" ".join(os_error_text(error).split()))
    return shortened(text, limit) or type(error).__name__


def os_error_text(error: BaseException) -> str:
    """Return the reason of an OSError without number and file name, else the whole message; without
    a period, as it becomes part of a sentence."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return (getattr(error, "strerror", None) or str(error)).rstrip(". ")
