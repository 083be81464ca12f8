"""Findings of a run and its verdict as lines, computed again only when an epoch or a phase ends."""

from core.analysis.findings.findings import find
from core.analysis.findings.verdict import report
from core.run.state import OVER, RunState


class FindingLines:
    """The lines for one run screen."""

    def __init__(self) -> None:
        self._key: object = None
        self._lines: list[str] = []

    def of(self, state: RunState) -> list[str]:
        """Return the findings of a run in progress, or the whole report of one that has ended."""
        key = (id(state), len(state.epochs), state.status, state.phase)
        if key != self._key:
            self._key = key
            ended = state.status in OVER
            self._lines = report(state) if ended else [found.text for found in find(state)]
        return self._lines
