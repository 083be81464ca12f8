"""Apply user commands between training steps, immediately while paused."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from core.common import format as fmt
from core.config.limits import lr_problem, patience_problem
from core.distributed.process_group import SINGLE_PROCESS, ProcessGroup, StepMessage
from core.events import commands as cmd
from core.events.commands import applied, refused
from core.events.emitter import Emit
from core.events.types import Paused, Resumed, Warned
from core.training.checkpoints.disk_health import DiskHealth, NullDiskHealth
from core.training.stopwatch import Stopwatch
from core.training.train_state import TrainState

FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS = 2.0, 120.0
"""Intervals between two tries to write to a full disk; they double."""
_POLL_SECONDS = 1.0


class PhaseEnd(StrEnum):
    """Why a phase has ended."""

    EPOCHS = "epochs"
    EARLY_STOPPING = "early stopping"
    ASKED = "asked"
    STOPPED = "stopped"
    FAILED = "failed"


class CommandHandler:
    """Takes commands from the command queue and replies to each with one event.

    With several ranks, only rank 0 has the queue and the disk; all ranks apply its messages.
    """

    def __init__(
        self,
        command_queue: cmd.CommandQueue,
        emit: Emit,
        save: Callable[[TrainState], str],
        stopwatch: Stopwatch,
        disk: DiskHealth | NullDiskHealth,
        group: ProcessGroup = SINGLE_PROCESS,
    ) -> None:
        """`save` saves a manual checkpoint and returns its name; `stopwatch` is paused together
        with the training."""
        self._command_queue = command_queue
        self._emit = emit
        self._save_manual = save
        self._stopwatch = stopwatch
        self._disk = disk
        self._group = group
        self._pause_requested = False
        self._is_paused = False
        self._retry_seconds = FIRST_RETRY_SECONDS
        self.stop_reason = ""
        self.failure = ""
        """Why a rank, this or another, can't continue."""

    def handle_commands(
        self,
        state: TrainState,
        images: int = 0,
        is_due: Callable[[], bool] | None = None,
    ) -> PhaseEnd | None:
        """Apply all commands; stay here while paused or while the disk has a problem.

        `images` and `is_due` are those of `ProcessGroup.sync_step`. Returns why the phase ends now,
        or None to continue.
        """
        while True:
            message = StepMessage(self._command_queue.take(), self._disk.problem)
            is_disk_next = message.problem is not None and message.command is None
            if is_disk_next and (failure := self._disk.failure):
                message = StepMessage(failure=failure)
            message = self._group.sync_step(message, images, is_due)
            if message.failure:
                self.failure = message.failure
                return PhaseEnd.FAILED
            if message.command is not None:
                end = self._execute(message.command, state)
                if end is not None:
                    self._end_pause(state)
                    return end
            elif message.problem is not None:
                self._wait_for_disk(message.problem, state)
            elif self._pause_requested:
                self._command_queue.wait(_POLL_SECONDS)
            else:
                self._end_pause(state)
                return None

    @property
    def disk_problem(self) -> str:
        """What can't be written, and why; empty if everything is."""
        return self._disk.problem or ""

    def wait_until_written(self, state: TrainState, retry: bool) -> PhaseEnd | None:
        """Return once all queued files are written. With `retry`, a disk problem is retried until
        it is solved, a stop is requested or it is of no use; otherwise only once.

        Returns why the run ends instead of continuing, if it does.
        """
        self._disk.wait()
        end: PhaseEnd | None = None
        while self._group.broadcast_flag(self._disk.problem is not None):
            if not retry or end in (PhaseEnd.STOPPED, PhaseEnd.FAILED):
                self._disk.retry()
                break
            end = self.handle_commands(state)
        self._end_pause(state)
        return end if end in (PhaseEnd.STOPPED, PhaseEnd.FAILED) else None

    def _wait_for_disk(self, problem: str, state: TrainState) -> None:
        """Pause until the next retry or command; the interval grows."""
        retry = f"training is paused; retrying in {self._retry_seconds:g} s"
        self._emit(Warned(code="disk", message=f"{problem}; {retry}"))
        self._pause_training(state, problem)
        if self._command_queue.wait(self._retry_seconds):
            return
        self._disk.retry()
        is_solved = self._disk.problem is None
        longer = min(2 * self._retry_seconds, MAX_RETRY_SECONDS)
        self._retry_seconds = FIRST_RETRY_SECONDS if is_solved else longer

    def _execute(self, command: cmd.Command, state: TrainState) -> PhaseEnd | None:
        handler = _HANDLERS[type(command)]
        reply = self._check_phase(command, state) or handler(self, command, state)
        if isinstance(reply, _Refused):
            self._emit(refused(command, reply.reason))
            return None
        position = (state.phase, state.epoch, state.step, state.global_step)
        self._emit(applied(command, reply.note, *position))
        if isinstance(command, cmd.Pause):
            self._pause_requested = True
            self._pause_training(state)
        elif isinstance(command, cmd.Resume):
            self._pause_requested = False
        return reply.end

    def _check_phase(self, command: cmd.Command, state: TrainState) -> "_Refused | None":
        phase = getattr(command, "phase", None)
        if phase is None or phase == state.phase:
            return None
        return _Refused(f"this is for phase {phase}, but phase {state.phase} is running")

    def _pause(self, command: cmd.Pause, state: TrainState) -> "_Applied | _Refused":
        if self._pause_requested:
            return _Refused("training is already paused")
        return _Applied("paused")

    def _resume(self, command: cmd.Resume, state: TrainState) -> "_Applied | _Refused":
        return _Applied("resumed") if self._pause_requested else _Refused("training is not paused")

    def _save(self, command: cmd.SaveCheckpoint, state: TrainState) -> "_Applied | _Refused":
        return _Applied(f"saving {self._save_manual(state)}")

    def _set_patience(self, command: cmd.SetPatience, state: TrainState) -> "_Applied | _Refused":
        if problem := patience_problem(command.patience):
            return _Refused(problem)
        old = state.stopping.patience
        state.stopping = state.stopping.with_patience(command.patience)
        return _Applied(f"patience of {state.phase} {old} → {command.patience}")

    def _set_lr(self, command: cmd.SetLearningRate, state: TrainState) -> "_Applied | _Refused":
        if problem := lr_problem(command.lr):
            return _Refused(problem)
        old = state.lr
        state.set_lr(command.lr)
        return _Applied(f"learning rate of {state.phase} {fmt.rate(old)} → {fmt.rate(command.lr)}")

    def _end_phase(self, command: cmd.EndPhase, state: TrainState) -> "_Applied | _Refused":
        return _Applied(f"phase {state.phase} ended manually", PhaseEnd.ASKED)

    def _stop(self, command: cmd.Stop, state: TrainState) -> "_Applied | _Refused":
        self.stop_reason = command.reason
        return _Applied("stop", PhaseEnd.STOPPED)

    def _pause_training(self, state: TrainState, reason: str = "") -> None:
        if not self._is_paused:
            self._is_paused = True
            self._stopwatch.pause()
            self._emit(Paused(global_step=state.global_step, reason=reason))

    def _end_pause(self, state: TrainState) -> None:
        if self._is_paused:
            self._is_paused = self._pause_requested = False
            self._emit(Resumed(global_step=state.global_step, seconds=self._stopwatch.resume()))


@dataclass(frozen=True, slots=True)
class _Applied:
    note: str
    end: PhaseEnd | None = None


@dataclass(frozen=True, slots=True)
class _Refused:
    reason: str


_HANDLERS: dict[type[Any], Callable[[CommandHandler, Any, TrainState], _Applied | _Refused]] = {
    cmd.Pause: CommandHandler._pause,
    cmd.Resume: CommandHandler._resume,
    cmd.SaveCheckpoint: CommandHandler._save,
    cmd.SetPatience: CommandHandler._set_patience,
    cmd.SetLearningRate: CommandHandler._set_lr,
    cmd.EndPhase: CommandHandler._end_phase,
    cmd.Stop: CommandHandler._stop,
}
