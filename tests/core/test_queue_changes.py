"""Changes of a queue, without files and processes: one by one, and in any order."""

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.common.errors import SetupError
from core.queue import changes
from core.queue.state import AT_WORK, IN_LINE, OVER, Job, JobState, QueueState, WorkerEntry
from tests.core.queue_kit import job

HOSTS = {"a": ("1", "2"), "b": ("1",)}
RESULTS: tuple[JobState, ...] = ("finished", "failed", "stopped", "interrupted", "waiting")


def numbers(state: QueueState) -> list[int]:
    return [each.number for each in state.in_line()]


def three() -> QueueState:
    state = QueueState()
    for _ in range(3):
        state = changes.add(state, ("--demo",), "/", 1.0)
    return state


@pytest.mark.parametrize(
    ("number", "place", "after"),
    [
        (1, "up", [1, 2, 3]),
        (1, "down", [2, 1, 3]),
        (1, "last", [2, 3, 1]),
        (3, "first", [3, 1, 2]),
        (3, "down", [1, 2, 3]),
        (2, "1", [2, 1, 3]),
        (2, "3", [1, 3, 2]),
    ],
)
def test_a_waiting_job_is_moved(number: int, place: str, after: list[int]) -> None:
    assert numbers(changes.move(three(), number, place)) == after


@pytest.mark.parametrize("place", ["4", "0", "-1", "top", ""])
def test_an_unknown_place_is_refused(place: str) -> None:
    with pytest.raises(SetupError, match="a position from 1 to 3"):
        changes.move(three(), 1, place)


def test_only_a_waiting_job_is_moved_and_none_at_work_is_removed() -> None:
    state = changes.claim(three(), 1, "a", "1", "running")
    with pytest.raises(SetupError, match="job 1 is running: only a waiting job"):
        changes.move(state, 1, "last")
    with pytest.raises(SetupError, match="job 1 is running and cannot be removed"):
        changes.remove(state, [2, 1])
    with pytest.raises(SetupError, match="no job 7 in the queue"):
        changes.remove(state, [7])
    assert numbers(changes.remove(state, [2])) == [3]


def test_an_attempt_begins_once_and_only_while_it_is_wanted() -> None:
    state = changes.claim(three(), 1, "a", "1", "running")
    begun = changes.begin(state, 1, 1, "a", 2.0)
    assert begun is not None
    assert changes.begin(begun, 1, 1, "a", 3.0) is None
    assert changes.begin(three(), 1, 1, "a", 3.0) is None
    assert changes.begin(state, 1, 2, "a", 3.0) is None
    assert changes.begin(state, 9, 1, "a", 3.0) is None


def test_a_process_ends_its_own_attempt_only() -> None:
    state = changes.claim(three(), 1, "a", "1", "running")
    state = changes.begin(state, 1, 1, "a", 2.0) or state
    first = state.job(1)
    ended = changes.end_attempt(state, first, "interrupted", "it ended", "", 3.0)
    assert ended.job(1).state == "interrupted"
    assert changes.end_attempt(ended, first, "finished", "", "", 4.0) == ended
    second = changes.claim(ended, 1, "a", "1", "running")
    assert changes.end_attempt(second, first, "finished", "", "", 4.0) == second
    removed = changes.remove(ended, [1])
    assert changes.end_attempt(removed, first, "finished", "", "", 4.0) == removed


def test_a_job_whose_process_never_begins_is_not_taken_for_ever() -> None:
    state, taken = job(), 0
    while state.job(1).state != "failed":
        state = changes.claim(state, 1, "a", "1", "running")
        state = changes.reap(
            state, lambda each: False, lambda each: ("interrupted", "it ended", ""), 2.0
        )
        taken += 1
    assert taken == 7
    assert state.job(1).reason == "interrupted 2 times; the last time it ended"


def test_a_withdrawn_job_waits_again_and_its_attempt_does_not_begin() -> None:
    state = changes.claim(job(), 1, "a", "", "submitted")
    state = changes.submitted(state, 1, 1, "77")
    assert state.job(1).cluster_job == "77"
    state = changes.withdraw(state, 1)
    assert (state.job(1).state, state.job(1).cluster_job) == ("waiting", "")
    assert changes.begin(state, 1, 1, "node", 1.0) is None
    assert changes.submitted(state, 1, 1, "78") == state
    assert changes.withdraw(state, 1) == state


def test_listed_jobs_are_in_the_order_of_ends_then_work_then_line() -> None:
    state = three()
    state = changes.add(changes.add(state, (), "/", 1.0), (), "/", 1.0)
    state = changes.move(state, 5, "first")
    for number, result, at in ((2, "failed", 9.0), (3, "finished", 8.0)):
        state = changes.claim(state, number, "a", "1", "running")
        state = changes.end(state, number, result, "", "", at)  # type: ignore[arg-type]
    state = changes.claim(state, 1, "a", "1", "running")
    assert [each.number for each in state.listed()] == [3, 2, 1, 5, 4]


class AnyOrder(RuleBasedStateMachine):
    """Users, workers and kills in any order: no job is lost, repeated or run twice at once."""

    def __init__(self) -> None:
        super().__init__()
        self.state = QueueState()
        self.alive: set[int] = set()
        """Jobs whose process lives."""
        self.known: set[int] = set()
        self.finished: set[int] = set()

    def pick(self, data: st.DataObject, states: tuple[str, ...]) -> Job | None:
        found = [each for each in self.state.jobs if each.state in states]
        return data.draw(st.sampled_from(found)) if found else None

    @rule()
    def add(self) -> None:
        self.known.add(self.state.next_number)
        self.state = changes.add(self.state, ("--demo",), "/", 1.0)

    @rule(data=st.data(), place=st.sampled_from([*changes.PLACES, "1"]))
    def move(self, data: st.DataObject, place: str) -> None:
        if picked := self.pick(data, IN_LINE):
            self.state = changes.move(self.state, picked.number, place)

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        if picked := self.pick(data, (*IN_LINE, *OVER)):
            self.known.discard(picked.number)
            self.finished.discard(picked.number)
            self.state = changes.remove(self.state, [picked.number])

    @rule(host=st.sampled_from(sorted(HOSTS)))
    def claim_and_start(self, host: str) -> None:
        free = changes.free_slots(self.state, host, HOSTS[host])
        if free and (line := self.state.in_line()):
            first = line[0]
            assert first.number not in self.alive
            self.state = changes.claim(self.state, first.number, host, free[0], "running")
            self.alive.add(first.number)

    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        picked = self.pick(data, ("running",))
        if picked and picked.number in self.alive:
            begun = changes.begin(self.state, picked.number, picked.attempt, "here", 2.0)
            assert (begun is None) == picked.begun
            self.state = begun or self.state

    @rule(data=st.data(), result=st.sampled_from(RESULTS))
    def end(self, data: st.DataObject, result: JobState) -> None:
        picked = self.pick(data, ("running",))
        if picked and picked.begun and picked.number in self.alive:
            self.alive.discard(picked.number)
            if result == "finished":
                self.finished.add(picked.number)
            self.state = changes.end(self.state, picked.number, result, "", "", 3.0)

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def kill(self, data: st.DataObject) -> None:
        self.alive.discard(data.draw(st.sampled_from(sorted(self.alive))))

    @rule()
    def reap(self) -> None:
        self.state = changes.reap(
            self.state,
            lambda each: each.number in self.alive,
            lambda each: ("interrupted", "gone", each.run),
            4.0,
        )
        assert {each.number for each in self.state.jobs if each.state in AT_WORK} <= self.alive

    @rule()
    def stop(self) -> None:
        self.state = changes.stop(self.state)

    @invariant()
    def no_job_is_lost_or_repeated(self) -> None:
        listed = [each.number for each in self.state.listed()]
        assert sorted(listed) == sorted(self.known)
        for each in self.state.jobs:
            assert each.interruptions <= changes.MOST_INTERRUPTIONS + 1
            assert (each.number in self.finished) == (each.state == "finished")

    @invariant()
    def no_slot_has_two_jobs(self) -> None:
        taken = [(each.worker, each.slot) for each in self.state.jobs if each.state in AT_WORK]
        assert len(taken) == len(set(taken))

    @invariant()
    def it_survives_its_file(self) -> None:
        assert QueueState.from_json(self.state.to_json().encode()) == self.state


AnyOrder.TestCase.settings = settings(max_examples=30, stateful_step_count=40)
TestAnyOrder = AnyOrder.TestCase


def test_a_stop_reaches_the_jobs_of_its_machine() -> None:
    workers = tuple(WorkerEntry(host=host, pid=1, slots=("1",)) for host in "ab")
    state = replace(changes.claim(three(), 1, "a", "1", "running"), workers=workers)
    state = changes.claim(state, 2, "b", "1", "running")
    state = changes.stop(state, {"a"})
    assert [each.stopping for each in state.workers] == [True, False]
    assert [each.stopping for each in state.jobs] == [True, False, False]
