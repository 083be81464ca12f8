"""Carrying out what a person asks, between two steps and at once while paused."""

import math
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from core.common import format as fmt
from core.distributed.process_group import SINGLE_PROCESS, ProcessGroup, StepMessage
from core.events import commands as cmd
from core.events.emitter import Emit
from core.events.replies import applied, refused
from core.events.types import Paused, Resumed, Warned
from core.training.checkpoints.disk_health import DiskHealth, NullDiskHealth
from core.training.stopwatch import Stopwatch
from core.training.train_state import TrainState

HIGHEST_LR = 10.0
HIGHEST_PATIENCE = 100_000
_LOOK_AGAIN_SECONDS = 1.0
_FIRST_GAP_SECONDS, _LONGEST_GAP_SECONDS = 2.0, 120.0


class PhaseEnd(StrEnum):
    """Why a phase is over."""

    EPOCHS = "epochs"
    EARLY_STOPPING = "early stopping"
    ASKED = "asked"
    STOPPED = "stopped"
    FAILED = "failed"


class CommandHandler:
    """Takes commands from the mailbox and answers each with one event.

    Of several ranks, rank 0 has the mailbox and the disk; each carries out what it says.
    """

    def __init__(
        self,
        mailbox: cmd.Mailbox,
        emit: Emit,
        save: Callable[[TrainState], str],
        watch: Stopwatch,
        disk: DiskHealth | NullDiskHealth,
        group: ProcessGroup = SINGLE_PROCESS,
    ) -> None:
        """`save` has a checkpoint of its own written and returns its name; `watch` is stopped
        while training rests."""
        self._mailbox = mailbox
        self._emit = emit
        self._save_manual = save
        self._watch = watch
        self._disk = disk
        self._group = group
        self._asked_to_rest = False
        self._resting = False
        self._gap = _FIRST_GAP_SECONDS
        self.stop_reason = ""
        self.failure = ""
        """Why a rank, this or another, can't go on."""

    def handle_commands(
        self,
        state: TrainState,
        pictures: int = 0,
        is_due: Callable[[], bool] | None = None,
    ) -> PhaseEnd | None:
        """Carry out what was asked for; stay here while paused or while the disk refuses.
        `pictures` and `is_due` are as in `ProcessGroup.meet`.

        Returns why the phase is to end now, or None to go on.
        """
        while True:
            message = StepMessage(self._mailbox.take(), self._disk.problem)
            message = self._group.sync_step(message, pictures, is_due)
            if message.failure:
                self.failure = message.failure
                return PhaseEnd.FAILED
            if message.command is not None:
                end = self._execute(message.command, state)
                if end is not None:
                    self._go_on(state)
                    return end
            elif message.problem is not None:
                self._wait_for_disk(message.problem, state)
            elif self._asked_to_rest:
                self._mailbox.wait(_LOOK_AGAIN_SECONDS)
            else:
                self._go_on(state)
                return None

    def wait_until_written(self, state: TrainState, patient: bool) -> bool:
        """Return when everything is on the disk. With `patient` a disk that refuses is tried
        again until it doesn't or a stop is asked for; without, once more.

        Returns False when a stop was asked for meanwhile.
        """
        self._disk.settle()
        stopped = False
        while self._group.broadcast_flag(self._disk.problem is not None):
            if not patient or stopped:
                self._disk.retry()
                break
            stopped = self.handle_commands(state) is PhaseEnd.STOPPED
        self._go_on(state)
        return not stopped

    def _wait_for_disk(self, problem: str, state: TrainState) -> None:
        """Rest until the next try or command; the gaps grow."""
        again = f"training rests and tries again in {self._gap:g} s"
        self._emit(Warned(code="disk", message=f"{problem}; {again}"))
        self._rest(state, problem)
        if self._mailbox.wait(self._gap):
            return
        self._disk.retry()
        healed = self._disk.problem is None
        self._gap = _FIRST_GAP_SECONDS if healed else min(2 * self._gap, _LONGEST_GAP_SECONDS)

    def _execute(self, command: cmd.Command, state: TrainState) -> PhaseEnd | None:
        handler = _HANDLERS[type(command)]
        answer = self._wrong_phase(command, state) or handler(self, command, state)
        if isinstance(answer, _Refused):
            self._emit(refused(command, answer.reason))
            return None
        place = (state.phase, state.epoch, state.step, state.global_step)
        self._emit(applied(command, answer.note, *place))
        if isinstance(command, cmd.Pause):
            self._asked_to_rest = True
            self._rest(state)
        elif isinstance(command, cmd.Resume):
            self._asked_to_rest = False
        return answer.end

    def _wrong_phase(self, command: cmd.Command, state: TrainState) -> "_Refused | None":
        wanted = getattr(command, "phase", None)
        if wanted is None or wanted == state.phase:
            return None
        return _Refused(f"meant for phase {wanted}, but phase {state.phase} runs by now")

    def _pause(self, command: cmd.Pause, state: TrainState) -> "_Applied | _Refused":
        return _Refused("it is paused already") if self._asked_to_rest else _Applied("paused")

    def _resume(self, command: cmd.Resume, state: TrainState) -> "_Applied | _Refused":
        return _Applied("goes on") if self._asked_to_rest else _Refused("it is not paused")

    def _save(self, command: cmd.SaveCheckpoint, state: TrainState) -> "_Applied | _Refused":
        return _Applied(f"saving {self._save_manual(state)}")

    def _set_patience(self, command: cmd.SetPatience, state: TrainState) -> "_Applied | _Refused":
        if not 1 <= command.patience <= HIGHEST_PATIENCE:
            return _Refused(f"patience {command.patience} is not from 1 to {HIGHEST_PATIENCE:,}")
        old = state.stopping.patience
        state.stopping = state.stopping.with_patience(command.patience)
        return _Applied(f"patience of {state.phase} {old} → {command.patience}")

    def _set_lr(self, command: cmd.SetLearningRate, state: TrainState) -> "_Applied | _Refused":
        if not (math.isfinite(command.lr) and 0 < command.lr <= HIGHEST_LR):
            return _Refused(f"learning rate {command.lr:g} is not above 0 and up to {HIGHEST_LR:g}")
        old = state.lr
        state.set_lr(command.lr)
        return _Applied(f"learning rate of {state.phase} {fmt.rate(old)} → {fmt.rate(command.lr)}")

    def _end_phase(self, command: cmd.EndPhase, state: TrainState) -> "_Applied | _Refused":
        return _Applied(f"phase {state.phase} ended by hand", PhaseEnd.ASKED)

    def _stop(self, command: cmd.Stop, state: TrainState) -> "_Applied | _Refused":
        self.stop_reason = command.reason
        return _Applied("stop", PhaseEnd.STOPPED)

    def _rest(self, state: TrainState, reason: str = "") -> None:
        if not self._resting:
            self._resting = True
            self._watch.pause()
            self._emit(Paused(global_step=state.global_step, reason=reason))

    def _go_on(self, state: TrainState) -> None:
        if self._resting:
            self._resting = self._asked_to_rest = False
            self._emit(Resumed(global_step=state.global_step, seconds=self._watch.resume()))


class _Applied:
    def __init__(self, note: str, end: PhaseEnd | None = None) -> None:
        self.note = note
        self.end = end


class _Refused:
    def __init__(self, reason: str) -> None:
        self.reason = reason


_HANDLERS: dict[type[Any], Callable[[CommandHandler, Any, TrainState], _Applied | _Refused]] = {
    cmd.Pause: CommandHandler._pause,
    cmd.Resume: CommandHandler._resume,
    cmd.SaveCheckpoint: CommandHandler._save,
    cmd.SetPatience: CommandHandler._set_patience,
    cmd.SetLearningRate: CommandHandler._set_lr,
    cmd.EndPhase: CommandHandler._end_phase,
    cmd.Stop: CommandHandler._stop,
}
