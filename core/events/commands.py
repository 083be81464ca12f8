"""Everything a person can ask of a running engine, and the mailbox that carries it there."""

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any


def _new_id() -> str:
    return uuid.uuid4().hex[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Command:
    id: str = field(default_factory=_new_id)
    asked: float = field(default_factory=time.time)

    def arguments(self) -> dict[str, Any]:
        """The command's own values, without its id and time."""
        envelope = {"id", "asked"}
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in envelope}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause(_Command):
    """Rest after the current step; nothing is lost and nothing changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(_Command):
    """Go on after a pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveCheckpoint(_Command):
    """Write a checkpoint of its own now, also while paused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPatience(_Command):
    """Change the early stopping patience (epochs) of the running phase."""

    patience: int
    phase: str | None = None
    """The phase that the person looked at; refused when another one runs by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLearningRate(_Command):
    """Change the learning rate of the running phase from the next step on."""

    lr: float
    phase: str | None = None
    """As in SetPatience."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndPhase(_Command):
    """End the running phase and go on with the next one, from the best weights so far."""

    phase: str | None = None
    """As in SetPatience."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop(_Command):
    """Save a checkpoint and end the run."""

    reason: str = "asked to stop"


Command = Pause | Resume | SaveCheckpoint | SetPatience | SetLearningRate | EndPhase | Stop
COMMAND_TYPES: dict[str, type[Command]] = {cls.__name__: cls for cls in Command.__args__}


class Mailbox:
    """Carries commands from any thread to the engine, in the order they were sent."""

    def __init__(self) -> None:
        self._items: deque[Command] = deque()
        self._arrived = threading.Event()

    def send(self, command: Command) -> None:
        """Leave a command; never blocks."""
        self._items.append(command)
        self._arrived.set()

    def take(self) -> Command | None:
        """Return the oldest command, or None at once when there is none."""
        try:
            return self._items.popleft()
        except IndexError:
            return None

    def wait(self, timeout: float) -> bool:
        """Return when a command may have arrived, or after `timeout` seconds with False."""
        arrived = self._arrived.wait(timeout)
        self._arrived.clear()
        return arrived

    def __bool__(self) -> bool:
        return bool(self._items)


Send = Callable[[Command], None]
"""How a view asks for something; the answer comes as an event."""
