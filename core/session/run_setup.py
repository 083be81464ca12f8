"""Build a ready-to-train engine for a new or resumed run.

Torch is imported in here, after everything that can be checked without it, and after an event that
announces it.
"""

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from core.common import format as fmt
from core.common.cpu import uses_workers
from core.common.errors import DataError
from core.common.files import remove_temporary_files, write_text_atomically
from core.common.openmp import limit_openmp_spinning
from core.common.version import __version__
from core.config.load import to_yaml
from core.config.schema import Config
from core.data.loading.forkserver import start_forkserver
from core.data.sources import parse_location
from core.data.split import DataPlan, Scan, extended_ranges, scan_folder
from core.data.value_range import AUTO, flat_problem, range_uses
from core.data.verify_split import Differences, verify_split
from core.demo.config import draw_demo, is_demo
from core.distributed.process_group import SINGLE_PROCESS, JoinCanceled, ProcessGroup
from core.distributed.torchrun_env import find_job
from core.events.commands import CommandQueue
from core.events.describe import describe
from core.events.emitter import Emitter
from core.events.journal import JournalWriter
from core.events.record import Record
from core.events.types import Chosen, DataReady, Event, Preparing, RunStarted, Warned
from core.run.folder import RunFolder
from core.run.state import fold
from core.session.resume import Resumption, refuse_finished
from core.session.run_images import plan_images, uses_cache

if TYPE_CHECKING:
    from core.training.setup import PreparedEngine

_PROGRESS_SECONDS = 0.25
_MAX_LEAK_FILES = 1000
"""Near-duplicates named in the journal; a fixed camera may have made all images alike."""


@dataclass(frozen=True, slots=True)
class RankBriefing:
    """Data that rank 0 sends to the other ranks before training."""

    config: Config
    plan: DataPlan
    folder: RunFolder
    checkpoint: str = ""
    """Name of the checkpoint to resume from, if any."""
    changes: dict[str, Any] = field(default_factory=dict)


def release_ranks(config: Config) -> None:
    """Tell waiting ranks, if there are any, that there is nothing to train."""
    job = find_job()
    if job.size > 1:
        from core.distributed.torch_process_group import join

        group = join(job, config.device)
        group.broadcast(None)
        group.close()


class RunSetup:
    """Prepares one run in its folder.

    The methods raise SetupError for errors that the user can fix, and return None if a stop was
    requested meanwhile.
    """

    def __init__(
        self,
        config: Config,
        folder: RunFolder,
        emitter: Emitter,
        command_queue: CommandQueue,
        stop_requested: Callable[[], bool],
        on_journal_open: Callable[[RunFolder], None],
        scan: Scan = scan_folder,
    ) -> None:
        """`on_journal_open` is called once the journal is open; `scan` reads the images of a new
        run."""
        self._config = config
        self._folder = folder
        self._emitter = emitter
        self._command_queue = command_queue
        self._stop_requested = stop_requested
        self._on_journal_open = on_journal_open
        self._scan = scan
        self._job = find_job()
        self.group: ProcessGroup = SINGLE_PROCESS
        """The process group of this run, once the ranks have joined it."""
        self._is_briefed = False
        self._is_canceled = False
        """Whether a stop was requested before all ranks had started."""

    def new_run(self) -> "PreparedEngine | None":
        """Return an engine for a new run, or None if a stop was requested meanwhile."""
        self._write_config()
        self._emitter.open_journal(JournalWriter(self._folder.journal))
        self._on_journal_open(self._folder)
        if uses_workers(self._config.data.workers):
            start_forkserver()
        self._emitter.emit(
            RunStarted(
                run_id=self._folder.id,
                name=self._config.name,
                config=self._config.model_dump(),
                version=__version__,
                pid=os.getpid(),
                host=self._job.host,
                ranks=self._job.size,
                job=self._job.id,
            )
        )
        if not self._join_ranks():
            return None
        self._draw_demo()
        plan = self._plan()
        if plan is None or self._stop_requested():
            return None
        plan.write_csv(self._folder.split)
        self._emit_data_ready(plan)
        self._before_torch()
        from core.training.setup import prepare_engine

        if self._stop_requested():
            return None
        self._send_briefing(RankBriefing(self._config, plan, self._folder))
        return prepare_engine(
            self._config, plan, self._folder, self._emitter, self._command_queue, group=self.group
        )

    def resume(self, past: Sequence[Record], resumption: Resumption) -> "PreparedEngine | None":
        """Return an engine that resumes a run, or None if a stop was requested meanwhile.

        The journal is opened, and the run changed, only when nothing can refuse it any more.
        """
        self._emitter.continue_after(past)
        before = fold(past)
        refuse_finished(before, resumption)
        if not self._join_ranks():
            return None
        self._draw_demo()
        checked = self._verify_data(resumption, before.data)
        if checked is None or self._stop_requested():
            return None
        plan, differences = checked
        self._before_torch()
        from core.training.checkpoints.resume import find_start_point
        from core.training.setup import prepare_engine

        start, resumed, problems = find_start_point(
            self._folder, past, self._config, resumption.changes, self._job
        )
        if self._stop_requested():
            return None
        if start.content:  # the weights were trained with these
            ranges = start.content["transform"].get("value_ranges")
            plan = replace(plan, value_ranges=extended_ranges(ranges, plan.all))
        for path in (self._folder.path, self._folder.checkpoints):
            remove_temporary_files(path)
        if resumption.changes:
            self._write_config()
        if differences:
            plan.write_csv(self._folder.split)
        self._emitter.open_journal(JournalWriter(self._folder.journal))
        self._on_journal_open(self._folder)
        self._emitter.emit(resumed)
        for problem in problems:
            self._emitter.emit(Warned(code="checkpoint", message=problem))
        if differences:
            self._emitter.emit(Warned(code="data", message=f"the data has changed: {differences}"))
        self._emit_data_ready(plan)
        self._send_briefing(
            RankBriefing(
                self._config, plan, self._folder, start.checkpoint, dict(resumption.changes)
            )
        )
        return prepare_engine(
            self._config,
            plan,
            self._folder,
            self._emitter,
            self._command_queue,
            start=start,
            group=self.group,
        )

    def release(self) -> None:
        """Release the other ranks, including those that still wait for their briefing."""
        if self._is_canceled:
            return
        if self.group.size == 1:
            release_ranks(self._config)
            return
        if not self._is_briefed:
            self._send_briefing(None)
        self.group.close()

    def _join_ranks(self) -> bool:
        """Wait for the other ranks, if any: from now on they notice when this one ends.

        Returns False if a stop was requested meanwhile.
        """
        if self._job.size == 1:
            return True
        self._before_torch()
        from core.distributed.torch_process_group import join

        self._emitter.emit(Preparing(stage=f"waiting for {self._job.size} ranks"))
        try:
            self.group = join(self._job, self._config.device, self._stop_requested)
        except JoinCanceled:
            self._is_canceled = True
        return not self._is_canceled

    def _send_briefing(self, briefing: RankBriefing | None) -> None:
        self._is_briefed = True
        self.group.broadcast(briefing)

    def _plan(self) -> DataPlan | None:
        """Return the images with their splits: by the folders, by seed, or as in an earlier run."""
        return plan_images(
            self._config,
            self._progress("scanning images"),
            self._stop_requested,
            self._emitter.emit,
            self._scan,
        )

    def _verify_data(
        self, resumption: Resumption, recorded: DataReady | None
    ) -> "tuple[DataPlan, Differences] | None":
        """Return the images of the run and their changes; `recorded` is its last DataReady."""
        is_trained = any(self._folder.checkpoints.glob("*.pt"))
        if not is_trained and (recorded is None or not self._folder.split.exists()):
            # The run was interrupted before its images were scanned.
            plan = self._plan()
            if plan is None:
                return None
            plan.write_csv(self._folder.split)
            return plan, Differences()
        ranges = recorded.value_ranges if recorded else None
        checked = verify_split(
            parse_location(self._config.data.root or ""),
            self._folder.split,
            self._progress("verifying the images"),
            self._stop_requested,
            uses_cache(self._config),
            self._config.data.near_duplicates == "group",
            # A run without ranges is from before names without the extension of an image were read.
            by_content=ranges is not None,
        )
        if checked is None:
            return None
        plan, differences = checked
        if differences and not resumption.accept_data_changes:
            raise DataError(
                f"the data has changed since the run started: {differences}; restore it, or resume "
                "with the current images: --accept-data-changes"
            )
        return replace(plan, value_ranges=extended_ranges(ranges, plan.all)), differences

    def _write_config(self) -> None:
        write_text_atomically(self._folder.config, to_yaml(self._config))

    def _before_torch(self) -> None:
        if self.group.size > 1:
            return  # the ranks have joined through it
        limit_openmp_spinning()
        self._emitter.emit(Preparing(stage="loading torch"))

    def _draw_demo(self) -> None:
        if is_demo(self._config):
            draw_demo(self._config, self._progress("generating the demo images"))

    def _report(self, event: Event) -> None:
        """Emit an event about the images, and write a warning to the log as well."""
        self._emitter.emit(event)
        message = describe(event)
        if message is not None and message.level == "warning":
            logging.getLogger(__name__).warning("%s", message.text)

    def _emit_data_ready(self, plan: DataPlan) -> None:
        self._report(
            DataReady(
                root=str(plan.root),
                classes=plan.classes,
                train=len(plan.train),
                val=len(plan.val),
                train_per_class=plan.per_class("train"),
                val_per_class=plan.per_class("val"),
                damaged=len(plan.damaged),
                test=len(plan.test),
                groups=plan.groups,
                ungrouped=plan.ungrouped,
                left_out=plan.left_out.by_reason(),
                value_ranges=plan.value_ranges,
            )
        )
        if plan.missed:
            self._emitter.emit(Warned(code="split", message=plan.missed))
        self._tell_value_ranges(plan)
        self._warn_of_leaks(plan)
        if plan.damaged:
            number = len(plan.damaged)
            self._report(
                Warned(
                    code="unreadable-file",
                    message=f"{fmt.counted(number, 'unreadable image')} left out",
                    files=[item.path for item in plan.damaged],
                    reasons=[item.reason for item in plan.damaged],
                )
            )

    def _tell_value_ranges(self, plan: DataPlan) -> None:
        values = [image.info.values for image in plan.all if image.info]
        for use in range_uses(values, plan.value_ranges or {}):
            if self._config.data.value_range == AUTO:
                self._emitter.emit(
                    Chosen(what="data.value_range", value=use.range_text, reason=use.values_text)
                )
            if problem := flat_problem(use):
                self._report(Warned(code="value-range", message=problem))

    def _warn_of_leaks(self, plan: DataPlan) -> None:
        if plan.leaks:
            number = sum(map(len, plan.leaks))
            files = [
                (image.path, f"one of {len(images)} near-duplicates")
                for images in plan.leaks
                for image in images
            ][:_MAX_LEAK_FILES]
            self._report(
                Warned(
                    code="leak",
                    message=f"{fmt.counted(number, 'image')} with near-duplicates in another split "
                    "or class distort validation; see data.group and convnext-tui check",
                    files=[path for path, _ in files],
                    reasons=[reason for _, reason in files],
                )
            )

    def _progress(self, stage: str) -> Callable[[int, int], None]:
        last = [0.0]

        def report(done: int, total: int) -> None:
            now = time.monotonic()
            if done == total or now - last[0] >= _PROGRESS_SECONDS:
                last[0] = now
                self._emitter.emit(Preparing(stage=stage, done=done, total=total))

        return report
