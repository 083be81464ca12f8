"""Commands to a running engine, the command queue that carries them, and the replies."""

import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from queue import Empty, SimpleQueue
from typing import Any

from core.events.emitter import Emit
from core.events.types import CommandApplied, CommandRefused


def _new_id() -> str:
    return uuid.uuid4().hex[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Command:
    id: str = field(default_factory=_new_id)
    asked: float = field(default_factory=time.time)

    def arguments(self) -> dict[str, Any]:
        """Return the command's own values, without id and time."""
        envelope = {"id", "asked"}
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in envelope}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause(_Command):
    """Pause after the current step; nothing is lost or changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(_Command):
    """Resume after a pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveCheckpoint(_Command):
    """Save a manual checkpoint now, also while paused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPatience(_Command):
    """Change the early-stopping patience (epochs) of the current phase."""

    patience: int
    phase: str | None = None
    """The phase that the user saw; the command is refused if another one is running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLearningRate(_Command):
    """Change the learning rate of the current phase from the next step on."""

    lr: float
    phase: str | None = None
    """As in SetPatience."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndPhase(_Command):
    """End the current phase and start the next one from the best weights so far."""

    phase: str | None = None
    """As in SetPatience."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop(_Command):
    """Save a checkpoint and end the run."""

    reason: str = "asked to stop"


Command = Pause | Resume | SaveCheckpoint | SetPatience | SetLearningRate | EndPhase | Stop
COMMAND_TYPES: dict[str, type[Command]] = {cls.__name__: cls for cls in Command.__args__}


class CommandQueue:
    """FIFO queue of commands from any thread, also from a signal handler, to the engine's thread.

    A signal handler may interrupt a `send` of its own thread, so the queue is a SimpleQueue: other
    queues, events and conditions have locks that are not reentrant.
    """

    def __init__(self) -> None:
        self._sent: SimpleQueue[Command] = SimpleQueue()
        self._received: deque[Command] = deque()
        """Commands that `wait` has received. Only the engine's thread uses it."""

    def send(self, command: Command) -> None:
        """Add a command; never blocks."""
        self._sent.put(command)

    def take(self) -> Command | None:
        """Return the oldest command, or None if there is none."""
        if self._received:
            return self._received.popleft()
        try:
            return self._sent.get_nowait()
        except Empty:
            return None

    def wait(self, timeout: float) -> bool:
        """Wait until there is a command; return False after `timeout` seconds."""
        try:
            self._received.append(self._sent.get(timeout=timeout))
        except Empty:
            return bool(self._received)
        return True

    def __bool__(self) -> bool:
        return bool(self._received) or not self._sent.empty()


Send = Callable[[Command], None]
"""Function with which a view sends a command; the reply arrives as an event."""


def applied(
    command: Command,
    note: str,
    phase: str = "",
    epoch: int = 0,
    step: int = 0,
    global_step: int = 0,
) -> CommandApplied:
    """Return the reply to a command applied at this position; `note` says what changed."""
    return CommandApplied(
        id=command.id,
        command=type(command).__name__,
        arguments=command.arguments(),
        asked=command.asked,
        phase=phase,
        epoch=epoch,
        step=step,
        global_step=global_step,
        note=note,
    )


def refused(command: Command, reason: str) -> CommandRefused:
    """Return the reply to a command that was refused."""
    return CommandRefused(
        id=command.id,
        command=type(command).__name__,
        arguments=command.arguments(),
        asked=command.asked,
        reason=reason,
    )


def refuse_rest(queue: CommandQueue, reason: str, emit: Emit) -> None:
    """Refuse all commands left in the command queue of an ended engine."""
    while (command := queue.take()) is not None:
        emit(refused(command, reason))
