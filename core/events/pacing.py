"""How often events of one kind are written, so that a journal stays small in a long run."""

PROGRESS_SECONDS = 0.5
_SHARE = 1 / 50_000


def gap_in_a_long_run(usual: float, run_seconds: float) -> float:
    """Return the time (s) between two tellings of the same kind in a run of `run_seconds`.

    `usual` at first; in the long run a fixed share of the time it has taken so far, so that
    their number grows with the logarithm of the time: twice a second makes 50,000 in the first
    seven hours, 35,000 more for each doubling after that, 410,000 in a year.
    """
    return max(usual, _SHARE * run_seconds)
