"""Announce each finding once while a run trains, and the verdict at its end."""

from core.analysis.findings.findings import find
from core.analysis.findings.verdict import verdict
from core.events import types as ev
from core.run.state import RunState


class Announcer:
    """Remembers which findings have been announced."""

    def __init__(self) -> None:
        self._said: set[tuple[str, str]] = set()

    def take(self, event: ev.Event, state: RunState) -> list[tuple[str, str]]:
        """Return level and text of what is new with this event, which `state` includes."""
        if isinstance(event, ev.EpochEnded | ev.PhaseEnded):
            new = [f for f in find(state) if (f.code, f.phase) not in self._said]
            self._said.update((found.code, found.phase) for found in new)
            return [("warning", found.text) for found in new]
        if isinstance(event, ev.RunEnded) and event.outcome != "failed":
            return [("info", text) for text in verdict(state)]
        return []
