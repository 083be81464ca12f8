"""The events that answer commands: each command gets exactly one."""

from core.events.commands import Command, Mailbox
from core.events.emitter import Emit
from core.events.types import CommandApplied, CommandRefused


def applied(
    command: Command,
    note: str,
    phase: str = "",
    epoch: int = 0,
    step: int = 0,
    global_step: int = 0,
) -> CommandApplied:
    """Return the answer to a command that took effect at this place; `note` says what changed."""
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
    """Return the answer to a command that changes nothing."""
    return CommandRefused(
        id=command.id,
        command=type(command).__name__,
        arguments=command.arguments(),
        asked=command.asked,
        reason=reason,
    )


def refuse_rest(mailbox: Mailbox, reason: str, emit: Emit) -> None:
    """Answer what is left in the mailbox when nobody will carry it out any more."""
    while (command := mailbox.take()) is not None:
        emit(refused(command, reason))
