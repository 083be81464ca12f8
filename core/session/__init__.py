"""Start or resume a run in an engine thread."""
