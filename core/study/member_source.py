"""Where a worker gets the members of a study from: the plan, or the sampler of a sweep."""

from collections.abc import Callable, Iterator
from typing import Protocol

from core.run.state import ACTIVE
from core.session.engine_thread import EngineThread
from core.study.state import FINISHED, MemberState, StudyState

ReadState = Callable[[], StudyState]


class MemberSource(Protocol):
    """The members that a worker runs, one after the other."""

    def next_member(self) -> MemberState | None:
        """Return the next member to run, None if none is left. Raises SetupError and OSError."""

    def watch(self, member: MemberState, engine: EngineThread) -> None:
        """Take the engine of a member before it starts."""

    def member_ended(self) -> None:
        """Take note that the run of the last member has ended. Raises SetupError and OSError."""


class PlannedMembers:
    """Members of a study of seeds or folds: those that are not finished, in order."""

    def __init__(self, read: ReadState) -> None:
        self._read = read
        self._numbers: Iterator[int] | None = None

    def next_member(self) -> MemberState | None:
        """Return the next member that is not finished."""
        if self._numbers is None:
            self._numbers = iter(range(len(self._read().members)))
        for number in self._numbers:
            current = self._read().members[number]
            if current.status != FINISHED and current.status not in ACTIVE:
                return current
        return None

    def watch(self, member: MemberState, engine: EngineThread) -> None:
        """Do nothing: these members run to their end."""

    def member_ended(self) -> None:
        """Do nothing: the run has recorded its end."""
