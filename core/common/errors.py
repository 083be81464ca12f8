"""The errors that are the person's to mend."""


class SetupError(ValueError):
    """A run can't begin with what was given; one line that names the thing and what to do."""


class DataError(SetupError):
    """Pictures that can't be used or reached; one line with the place and what to do."""
