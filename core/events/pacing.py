"""Intervals between events of one kind, so that a journal stays small in a long run."""

PROGRESS_SECONDS = 0.5
_FRACTION = 1 / 50_000


def event_interval(initial: float, run_seconds: float) -> float:
    """Return the interval (s) between two events of one kind in a run of `run_seconds`.

    `initial` at first; later a fixed fraction of the elapsed time, so that the number of events
    grows logarithmically: two per second make 50,000 in the first seven hours, 35,000 more for each
    doubling after that, 410,000 in a year.
    """
    return max(initial, _FRACTION * run_seconds)
