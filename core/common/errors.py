"""Errors that the user can fix, and the text of errors raised by the operating system."""


class UserError(ValueError):
    """An error whose text is written for the user: a sentence or two on one line."""


class SetupError(UserError):
    """A run can't start with the given settings; one line that names the setting and the fix."""


class DataError(SetupError):
    """Images can't be used or reached; one line that names the location and the fix."""


def os_error_text(error: BaseException) -> str:
    """Return the reason of an OSError without number and file name, else the whole message; without
    a period, as it becomes part of a sentence."""
    return (getattr(error, "strerror", None) or str(error)).rstrip(". ")
