"""Run the members of a study one after the other, in this process."""

import gc
import logging
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from core.common.errors import SetupError, os_error_text
from core.common.files import missing_folders, remove_empty_folders
from core.common.text import printable
from core.config.schema import Config
from core.data.split import SharedScan
from core.events.command_file import CommandFileWatcher
from core.events.commands import Command, Stop
from core.events.record import Record
from core.events.types import RunResumed, RunStarted
from core.queue.announce import announce_run
from core.run.folder import RunFolder
from core.run.lock import lock_owner
from core.run.run_list import RunList
from core.session.engine_thread import EXIT_USAGE, EngineThread, logging_to
from core.session.resume import plan_resumption
from core.study.definition import FOLDS, SWEEP, Study, create_study
from core.study.locks import WorkerLock
from core.study.member_source import MemberSource, PlannedMembers
from core.study.members import Member, member_config
from core.study.state import (
    FAILED,
    FINISHED,
    MemberState,
    StudyState,
    read_state,
    record_failure,
)


class StudyObserver(Protocol):
    """Receives the progress of a study, in the worker's thread."""

    def study_started(self, state: StudyState) -> None:
        """Take the state before the first member starts."""

    def member_started(self, member: Member, run_id: str, is_resumed: bool) -> None:
        """Take the id of the run that now trains."""

    def record(self, record: Record) -> None:
        """Take a new record of the run in training."""

    def member_ended(self, member: MemberState) -> None:
        """Take the result of a member."""


@dataclass(frozen=True, slots=True)
class StudyEnd:
    """How a worker has ended."""

    state: StudyState
    problem: str = ""
    """Why the result files of the study are not complete."""

    @property
    def failed(self) -> list[MemberState]:
        """The members that failed, or could not start or resume."""
        return self.state.of_status(FAILED)


class StudyNotStarted(SetupError):
    """A new study whose first member can't start; nothing of it is of use."""


class StudyWorker:
    """Runs the members of a study that are not finished: new ones from the start, stopped,
    interrupted and failed ones from their last checkpoints.

    A member that fails is recorded, and the next one starts.
    """

    def __init__(
        self,
        study: Study,
        observer: StudyObserver,
        accept_data_changes: bool = False,
        is_new: bool = False,
        on_folder: Callable[[RunFolder], None] = lambda folder: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """With `is_new` the study is removed again if its first member can't start. `on_folder` is
        called in the engine thread, once a run has a folder."""
        self.study = study
        self._observer = observer
        self._accept_data_changes = accept_data_changes
        self._is_new = is_new
        self._on_folder = on_folder
        self._clock = clock
        self._runs = RunList(study.runs_dir)
        self._scan = SharedScan()
        self._engine: EngineThread | None = None
        self._stopping: Stop | None = None
        self._has_run = False
        self._problems: dict[int, str] = {}
        """Why members could not start or resume, by number."""

    def run(self) -> StudyEnd:
        """Run the members; returns once all have ended or a stop was requested.

        Raises SetupError if another worker runs the study, and if a new study can't start.
        """
        study = self.study
        try:
            lock = WorkerLock(study)
        except BlockingIOError:
            raise SetupError(
                f"study {printable(study.id)} is being run by {lock_owner(study)}; `convnext-tui "
                "ctl STUDY stop` ends it"
            ) from None
        except OSError as error:
            shown = printable(str(study.path))
            raise SetupError(f"{shown} can't be written: {os_error_text(error)}") from None
        with ExitStack() as opened:
            opened.callback(lock.release)
            opened.enter_context(logging_to(study.log))
            announce_run(study.id)
            watcher = CommandFileWatcher(study.commands, self._receive, _log_invalid)
            opened.callback(watcher.close)
            return self._work(lock)

    def stop(self, reason: str) -> None:
        """Stop the current member with a checkpoint, and start no other one. For signal handlers
        and other threads."""
        self._stopping = Stop(reason=reason)
        if self._engine is not None:
            self._engine.send(self._stopping)

    def _receive(self, command: Command) -> None:
        """Take a command from another process, which sends it to the runs with a journal itself."""
        if not isinstance(command, Stop):
            return
        self._stopping = command
        engine = self._engine
        if engine is not None and engine.folder is None:
            engine.send(command)

    def _work(self, lock: WorkerLock) -> StudyEnd:
        source = self._source(lock)
        self._observer.study_started(self._read())
        while self._stopping is None:
            current = self._next_member(source)
            if current is None or self._stopping is not None:
                break
            self._run_member(current, source)
        state = replace(self._read(), is_working=False)
        return StudyEnd(state, self._write_results(state))

    def _source(self, lock: WorkerLock) -> MemberSource:
        if self.study.kind != SWEEP:
            return PlannedMembers(self._read)
        from core.study.sweep.source import Trials  # imports what only sweeps need

        return Trials(self.study, self._read, lock)

    def _next_member(self, source: MemberSource) -> MemberState | None:
        try:
            return source.next_member()
        except (SetupError, OSError) as error:
            if not self._is_new or self._has_run:
                raise
            reason = error if isinstance(error, SetupError) else os_error_text(error)
            raise StudyNotStarted(str(reason)) from None

    def _read(self) -> StudyState:
        state = read_state(self.study, self._runs.refresh())
        members = (
            replace(one, status=FAILED, reason=self._problems[one.member.number])
            if one.member.number in self._problems
            else one
            for one in state.members
        )
        return replace(state, members=tuple(members))

    def _run_member(self, current: MemberState, source: MemberSource) -> None:
        number = current.member.number
        self._has_run = True
        problem = self._train(current, source)
        if problem:
            self._problems[number] = problem
            if self._is_new and number == 1 and current.run is None:
                raise StudyNotStarted(problem)
            logging.getLogger(__name__).error("%s: %s", current.member.label, problem)
            with suppress(OSError):  # a full disk: it is in the output
                record_failure(self.study, current.member, problem)
        source.member_ended()
        self._observer.member_ended(self._read().members[number - 1])

    def _train(self, current: MemberState, source: MemberSource) -> str:
        """Train a member to its end; returns why it could not start, empty if it did."""
        try:
            engine = self._make_engine(current)
        except SetupError as error:
            return str(error)
        source.watch(current, engine)
        self._engine = engine
        # A stop that arrived meanwhile has not reached the engine.
        if self._stopping is not None:
            engine.send(self._stopping)
        try:
            for record in self._new_records(engine):
                event = record.event
                if isinstance(event, RunStarted | RunResumed):
                    folder = engine.folder
                    run_id = folder.id if folder else event.run_id
                    is_resumed = isinstance(event, RunResumed)
                    self._observer.member_started(current.member, run_id, is_resumed)
                self._observer.record(record)
        except BaseException:
            self.stop("interrupted")
            engine.join()
            raise
        finally:
            self._engine = None
        result = engine.join()
        assert result is not None, "the engine thread ended without a result"
        del engine
        _free_memory()
        return result.reason if result.exit_code == EXIT_USAGE else ""

    @staticmethod
    def _new_records(engine: EngineThread) -> Iterator[Record]:
        """Start an engine and yield its records, without those of earlier processes."""
        queue = engine.subscribe()
        engine.start()
        for number, record in enumerate(engine.records(queue)):
            if number >= engine.replayed:
                yield record

    def _make_engine(self, current: MemberState) -> EngineThread:
        resumption = None
        if current.run is None:
            config = member_config(self.study, current.member)
        else:
            folder = RunFolder(Path(current.run.path))
            resumption = plan_resumption(folder, accept_data_changes=self._accept_data_changes)
            config = resumption.config
        return EngineThread(
            config,
            self.study.runs_dir,
            self._clock,
            resumption,
            on_folder=self._on_folder,
            scan=self._scan,
        )

    def _write_results(self, state: StudyState) -> str:
        """Write the files that need all members; returns why that failed, empty if it did not."""
        is_complete = state.of_status(FINISHED) == list(state.members)
        if self.study.kind != FOLDS or not is_complete or self.study.out_of_fold.exists():
            return ""
        from core.study.out_of_fold import write_out_of_fold

        try:
            write_out_of_fold(state)
        except (SetupError, OSError) as error:
            logging.getLogger(__name__).exception("the predictions were not written")
            reason = error if isinstance(error, SetupError) else os_error_text(error)
            return f"{self.study.out_of_fold.name} was not written: {reason}"
        return ""


def run_new_study(
    runs_dir: Path,
    kind: str,
    config: Config,
    options: dict[str, Any],
    make_worker: Callable[[Study], StudyWorker],
) -> StudyEnd:
    """Create a study and run its members; nothing is left of a study that can't start.

    `make_worker` is called with the study. Raises SetupError.
    """
    missing = missing_folders(runs_dir)
    try:
        study = create_study(runs_dir, kind, config, options)
    except OSError as error:
        remove_empty_folders(missing)
        where = printable(str(runs_dir))
        raise SetupError(f"{where}: {os_error_text(error)}; choose another --runs-dir") from None
    try:
        return make_worker(study).run()
    except StudyNotStarted:
        shutil.rmtree(study.path, ignore_errors=True)
        remove_empty_folders(missing)
        raise


def _free_memory() -> None:
    """Free the memory of the last run, also that which torch keeps on a GPU."""
    gc.collect()
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()


def _log_invalid(problem: str) -> None:
    logging.getLogger(__name__).warning("%s", problem)
