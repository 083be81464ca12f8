"""An event is added in one place: a dataclass, its sentence, its effect on the run state."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.events import describe, types
from core.events.emitter import Emitter
from core.events.journal import JournalWriter, replay
from core.run import state as run_state
from core.run.state import RunState, fold
from core.run.state_parts import Marker


@pytest.fixture
def drift() -> Iterator[type[types.Event]]:
    """An event type that this file alone knows."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class DriftFound(types.Event):
        """Validation images differ from training images."""

        distance: float

    @describe.sentence(DriftFound)
    def _drift_found(e: DriftFound) -> describe.LogMessage:
        return describe.LogMessage("warning", f"drift {e.distance:.2f}")

    @run_state.folds(DriftFound)
    def _mark_drift(state: RunState, e: DriftFound, time: float) -> None:
        state.markers.append(Marker(state.x, time, "warning", "drift"))

    yield DriftFound
    del types.EVENT_TYPES["DriftFound"]
    del describe.SENTENCES[DriftFound]
    del run_state.FOLDS[DriftFound]


def test_a_new_event_reaches_journal_state_and_log(
    tmp_path: Path, drift: type[types.Event]
) -> None:
    journal = tmp_path / "events.jsonl"
    emitter = Emitter(clock=lambda: 7.0)
    emitter.open_journal(JournalWriter(journal))
    emitter.emit(drift(distance=0.5))  # type: ignore[call-arg]
    emitter.close()

    records, skipped = replay(journal)
    assert skipped.count == 0
    assert records[0].event == drift(distance=0.5)  # type: ignore[call-arg]
    state = fold(records)
    assert [(marker.kind, marker.time) for marker in state.markers] == [("warning", 7.0)]
    assert [(line.level, line.text) for line in state.log] == [("warning", "drift 0.50")]
