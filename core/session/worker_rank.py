"""Run the ranks other than 0, which train as rank 0 instructs and write no files."""

import logging
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

from core.common.errors import SetupError
from core.common.native_stderr import native_stderr_to
from core.common.openmp import limit_openmp_spinning
from core.distributed.process_group import JoinCanceled, RankUnreachable
from core.distributed.torchrun_env import Job
from core.events.commands import CommandQueue
from core.events.emitter import Emitter
from core.session.engine_thread import EXIT_FAILED, EXIT_RESTART, logging_to
from core.session.run_setup import RankBriefing
from core.training.device_monitor import DeviceMonitor
from core.training.start_point import FROM_SCRATCH, StartPoint

if TYPE_CHECKING:
    from core.distributed.torch_process_group import TorchProcessGroup


_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _NoCommands(CommandQueue):
    """Commands come from rank 0; waiting for one means waiting for its message."""

    def wait(self, timeout: float) -> bool:
        """Return at once."""
        return False


def run_worker_rank(job: Job, device: str) -> int:
    """Train with the other ranks until the run ends; return the exit code.

    If another rank is lost, it is EXIT_RESTART: an elastic agent restarts all ranks.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in _STOP_SIGNALS:  # until rank 0 counts on this one
        signal.signal(number, signal.SIG_DFL)
    limit_openmp_spinning()
    from core.distributed.torch_process_group import join

    try:
        group = join(job, device, on_arrival=_leave_signals_to_rank_0)
    except JoinCanceled:
        return 0
    except SetupError as error:
        logging.getLogger(__name__).error("%s", error)
        return EXIT_FAILED
    except RankUnreachable as error:
        logging.getLogger(__name__).error("%s", error)
        return EXIT_RESTART
    with ExitStack() as opened:
        # A process that exits without leaving the group may be aborted by torch.
        opened.callback(group.close)
        try:
            briefing: RankBriefing | None = group.broadcast(None)
            if briefing is not None:
                opened.enter_context(logging_to(briefing.folder.log))
                opened.enter_context(native_stderr_to(briefing.folder.log))
                _train(group, briefing)
        except SetupError:
            return 0  # rank 0 has received it, and reports it
        except Exception:  # the last line of defense: the reason must be in the run's log
            logging.getLogger(__name__).exception("rank %d failed", job.rank)
            return EXIT_RESTART
    return 0


def _leave_signals_to_rank_0() -> None:
    """Ignore Ctrl-C and Slurm's SIGTERM, which reach all processes at once; rank 0 decides what
    follows, and an agent that has lost a rank kills those that do not end."""
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _train(group: "TorchProcessGroup", briefing: RankBriefing) -> None:
    from core.training.setup import prepare_engine

    emit = group.outbox.emit
    start = _start_point(briefing)
    prepared = prepare_engine(
        briefing.config,
        briefing.plan,
        briefing.folder,
        Emitter(),
        _NoCommands(),
        start=start,
        group=group,
        emit=emit,
    )
    with ExitStack() as opened:
        opened.callback(prepared.close)
        opened.callback(DeviceMonitor(prepared.probe, emit).close)
        prepared.fit()


def _start_point(briefing: RankBriefing) -> StartPoint:
    if not briefing.checkpoint:
        return FROM_SCRATCH
    from core.training.checkpoints.file import read_checkpoint

    content = read_checkpoint(briefing.folder.checkpoints / briefing.checkpoint)
    return StartPoint(content, briefing.checkpoint, [], briefing.changes)
