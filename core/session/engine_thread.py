"""Run the engine in a thread, from the run folder to the last event, whatever fails."""

import errno
import logging
import shutil
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from core.common.errors import SetupError, os_error_text
from core.common.files import missing_folders, remove_empty_folders
from core.common.text import printable
from core.config.load import with_default_name
from core.config.schema import Config
from core.data.split import Scan, scan_folder
from core.distributed.torchrun_env import find_job
from core.events.command_file import CommandFileWatcher
from core.events.commands import Command, CommandQueue, Stop, applied, refuse_rest, refused
from core.events.emitter import Emit, Emitter
from core.events.journal import replay
from core.events.record import Record
from core.events.types import RunEnded, Warned
from core.run.folder import RunFolder, create_run
from core.run.lock import RunLock, lock_owner
from core.session import preflight
from core.session.resume import Resumption
from core.session.run_setup import RunSetup, release_ranks
from core.training.device_monitor import DeviceMonitor

if TYPE_CHECKING:
    from core.training.setup import PreparedEngine

EXIT_FINISHED, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
EXIT_RESTART = 75
"""A rank is missing: an elastic agent is to restart all ranks (EX_TEMPFAIL of sysexits.h)."""
_OVER = "the run has ended"
_POLL_SECONDS = 0.2
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@dataclass(frozen=True, slots=True)
class EngineResult:
    """How the engine thread ended."""

    outcome: str
    """`finished`, `stopped` or `failed`."""
    reason: str
    exit_code: int


class EngineThread:
    """One run in its own thread. The creator owns it, starts it and joins it.

    A run that cannot start (unknown model, unreadable data, missing weights) leaves nothing behind
    and ends with exit code 2.
    """

    def __init__(
        self,
        config: Config,
        runs_dir: Path,
        clock: Callable[[], float] = time.time,
        resumption: Resumption | None = None,
        on_folder: Callable[[RunFolder], None] = lambda folder: None,
        on_start: Callable[[], object] = lambda: None,
        scan: Scan = scan_folder,
    ) -> None:
        """Nothing happens before `start`. With a `resumption` that run is resumed instead of a new
        one started. In the engine thread `on_start` is called before anything else, and `on_folder`
        once the run has a folder; `scan` reads the images of a new run. Raises SetupError for
        errors that are known without preparation.
        """
        preflight.check(config)
        self.config = config if resumption else with_default_name(config)
        self.replayed = 0
        """Number of past records of a resumed run; subscribers get them first."""
        self._resumption = resumption
        self._on_folder = on_folder
        self._on_start = on_start
        self._scan = scan
        self.folder: RunFolder | None = None
        self.result: EngineResult | None = None
        self._runs_dir = runs_dir
        self._clock = clock
        self._emitter = Emitter(clock)
        self._command_queue = CommandQueue()
        self._command_file: CommandFileWatcher | None = None
        self._stop: Stop | None = None
        # Held while the queue is closed: no command is lost between the last poll and the end.
        # Reentrant, because a signal may arrive while the main thread sends another command.
        self._queue_lock = threading.RLock()
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)

    def start(self) -> None:
        """Start the thread; events are emitted from now on."""
        self._thread.start()

    def subscribe(self) -> "SimpleQueue[Record]":
        """Return a queue that gets every record from now on; call it before `start` to get all of
        them."""
        return self._emitter.subscribe()

    def add_callback(self, callback: Emit) -> None:
        """Call `callback` with every event, in the thread that emits it; a command that it sends
        applies before the next step. Call this before `start` for all events."""
        self._emitter.add_callback(callback)

    def records(self, queue: "SimpleQueue[Record]") -> Iterator[Record]:
        """Yield the records of a queue that `subscribe` returned, until the run has ended."""
        while True:
            # Before the queue is read: an engine that ends in between leaves records in it.
            alive = self.alive
            try:
                yield queue.get(timeout=_POLL_SECONDS if alive else 0)
            except Empty:
                if not alive:
                    return

    def unsubscribe(self, queue: "SimpleQueue[Record]") -> None:
        """Stop filling this queue."""
        self._emitter.unsubscribe(queue)

    def send(self, command: Command) -> None:
        """Send a command to the engine; the reply arrives as an event."""
        if isinstance(command, Stop):
            self._stop = command
        with self._queue_lock:
            if self.result is None:
                self._command_queue.send(command)
                return
        self._emitter.emit(refused(command, _OVER))

    @property
    def alive(self) -> bool:
        """Whether the run is still active."""
        return self._thread.is_alive()

    def join(self, timeout: float | None = None) -> EngineResult | None:
        """Wait for the end. Return the result, or None after `timeout` seconds.

        Never call this from the app's event loop.
        """
        self._thread.join(timeout)
        return self.result

    def _work(self) -> None:
        try:
            self._on_start()
            self._work_in_folder()
        except BaseException as error:  # the creator of this thread waits for a result
            logging.getLogger(__name__).exception("the engine thread failed")
            if self.result is None:
                self._end(RunEnded(outcome="failed", reason=_error_text(error)), EXIT_FAILED)

    def _work_in_folder(self) -> None:
        missing = missing_folders(self._runs_dir)
        try:
            folder, lock = self._take_folder()
        except OSError as error:
            remove_empty_folders(missing)
            self._refuse(self._disk_problem(error))
            return
        except SetupError as error:
            self._refuse(str(error))
            return
        with ExitStack() as opened:
            opened.callback(lock.release)
            opened.callback(self._emitter.close)
            opened.enter_context(logging_to(folder.log))
            ended, code = self._run(folder)
            self._end(ended, code)
        if code == EXIT_USAGE and self._resumption is None:
            self._remove(folder, missing)

    def _refuse(self, reason: str) -> None:
        # First, because this process may exit once its end is recorded.
        _try_release(partial(release_ranks, self.config))
        self._end(RunEnded(outcome="failed", reason=reason), EXIT_USAGE)

    def _take_folder(self) -> tuple[RunFolder, RunLock]:
        if self._resumption is None:
            folder = create_run(self._runs_dir, self.config.name, self._clock())
        else:
            folder = self._resumption.folder
        try:
            return folder, RunLock(folder)
        except BlockingIOError:
            raise SetupError(
                f"run {folder.id} is being trained by {lock_owner(folder)}; `convnext-tui attach` "
                "opens it"
            ) from None
        except OSError:
            if self._resumption is None:
                shutil.rmtree(folder.path, ignore_errors=True)
            raise

    def _disk_problem(self, error: OSError) -> str:
        if self._resumption is not None:
            return f"{printable(str(self._resumption.folder.path))}: {os_error_text(error)}"
        where = printable(str(self._runs_dir))
        return f"{where}: {os_error_text(error)}; choose another --runs-dir"

    def _run(self, folder: RunFolder) -> tuple[RunEnded, int]:
        """Return how the run ended, whatever happened in it."""
        setup = RunSetup(
            self.config,
            folder,
            self._emitter,
            self._command_queue,
            stop_requested=lambda: self._stop is not None,
            on_journal_open=self._on_journal_open,
            scan=self._scan,
        )
        try:
            prepared = self._prepare(setup, folder)
            if prepared is None:
                _try_release(setup.release)
                return self._stopped_early(), EXIT_FINISHED
            ended = self._train(prepared)
        except SetupError as error:
            _try_release(setup.release)
            return RunEnded(outcome="failed", reason=str(error)), EXIT_USAGE
        except BaseException as error:  # last line of defense: the run must record why
            logging.getLogger(__name__).error("the run failed\n%s", traceback.format_exc())
            job = find_job()
            will_restart = job.size > 1 and job.restarts_left > 0
            code = EXIT_RESTART if will_restart else EXIT_FAILED
            return RunEnded(outcome="failed", reason=_error_text(error)), code
        setup.group.close()
        return ended, EXIT_FAILED if ended.outcome == "failed" else EXIT_FINISHED

    def _prepare(self, setup: RunSetup, folder: RunFolder) -> "PreparedEngine | None":
        """Return an engine that is ready to train, or None if a stop was requested meanwhile."""
        if self._resumption is None:
            try:
                return setup.new_run()
            except OSError as error:
                if _is_disk_problem(error, folder):
                    raise SetupError(self._disk_problem(error)) from None
                raise
        past, _ = replay(folder.journal)
        self.replayed = len(past)
        return setup.resume(past, self._resumption)

    def _on_journal_open(self, folder: RunFolder) -> None:
        """Accept commands of other processes, which can see the run folder from now on."""
        self.folder = folder
        self._on_folder(folder)
        self._command_file = CommandFileWatcher(
            folder.commands,
            self.send,
            lambda text: self._emitter.emit(Warned(code="command", message=text)),
        )

    def _train(self, prepared: "PreparedEngine") -> RunEnded:
        with ExitStack() as opened:
            opened.callback(prepared.close)
            before = prepared.seconds_before
            monitor = DeviceMonitor(prepared.probe, self._emitter.emit, run_seconds=before)
            opened.callback(monitor.close)
            return prepared.fit()

    def _stopped_early(self) -> RunEnded:
        stop = self._stop or Stop()
        while (command := self._command_queue.take()) is not None:
            is_stop = isinstance(command, Stop)
            reply = applied(command, "stop") if is_stop else refused(command, _OVER)
            self._emitter.emit(reply)
        return RunEnded(outcome="stopped", reason=f"{stop.reason}, before the first step")

    def _end(self, ended: RunEnded, exit_code: int) -> None:
        if self._command_file is not None:
            self._command_file.close()
        with self._queue_lock:
            self.result = EngineResult(ended.outcome, ended.reason, exit_code)
            if exit_code == EXIT_RESTART:
                return  # the run has not ended, and its journal does not say so
            refuse_rest(self._command_queue, _OVER, self._emitter.emit)
        self._emitter.emit(ended)

    def _remove(self, folder: RunFolder, missing: list[Path]) -> None:
        """Remove a run that could not start: it contains only files of this thread. The folders
        that were missing before are removed, too."""
        self.folder = None
        shutil.rmtree(folder.path, ignore_errors=True)
        remove_empty_folders(missing)


def _is_disk_problem(error: OSError, folder: RunFolder) -> bool:
    """Return whether a file of a run could not be written."""
    if error.filename is None:
        return error.errno in _DISK_ERRORS
    return Path(str(error.filename)).is_relative_to(folder.path)


def _error_text(error: BaseException) -> str:
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    # The message of an error in another process is its traceback, which ends with the reason.
    text = lines[-1] if any("Traceback" in line for line in lines) else " ".join(lines)
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.strerror} ({error.filename})" if error.filename else error.strerror
    return f"{text or 'no message'} [{type(error).__name__}]"[:500]


class _LogFile(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        """Ignore a failed write: by default, logging prints a traceback to the terminal."""


@contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Write log records and warnings of libraries to the run's log file instead of the screen."""
    handler = _LogFile(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    shown_before = warnings.showwarning
    logging.captureWarnings(True)
    captures = warnings.showwarning is not shown_before  # else the process captures them itself
    try:
        yield
    finally:
        if captures:
            logging.captureWarnings(False)
        logging.getLogger().removeHandler(handler)
        handler.close()


def _try_release(release: Callable[[], None]) -> None:
    """Release the other ranks; if they cannot be reached there is nobody to release."""
    try:
        release()
    except Exception:  # torch raises many types; the end of the run is recorded
        logging.getLogger(__name__).exception("the other ranks were not released")
