"""Run a study without the app."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.common.native_stderr import native_stderr_to, redirect_native_stderr
from core.config.schema import Config
from core.session.engine_thread import EXIT_FAILED, EXIT_FINISHED
from core.study.definition import Study
from core.study.worker import StudyEnd, StudyWorker, run_new_study
from tui.runtime.signal_handlers import STOPPING, StopSignals
from tui.runtime.study_reporters import make_study_reporter
from tui.terminal.terminal import show_cursor


@dataclass(frozen=True, slots=True)
class NewStudy:
    """A study that has no folder yet."""

    runs_dir: Path
    kind: str
    config: Config
    options: dict[str, Any]


def run_headless_study(
    study: Study | NewStudy, log_format: str, accept_data_changes: bool = False
) -> tuple[int, StudyEnd]:
    """Run the members of a study that are not finished; returns the exit code and the end.

    Raises SetupError where it can't start.
    """
    reporter = make_study_reporter(log_format, sys.stdout)
    workers: list[StudyWorker] = []

    def stop(reason: str) -> None:
        for worker in workers:
            worker.stop(reason)

    signals = StopSignals(stop, show_cursor, announcement=STOPPING.format)

    def make_worker(study: Study, is_new: bool = True) -> StudyWorker:
        redirect_native_stderr(study.log)
        worker = StudyWorker(
            study,
            reporter,
            accept_data_changes,
            is_new,
            on_folder=lambda folder: redirect_native_stderr(folder.log),
        )
        workers.append(worker)
        if signals.exit_code is not None:
            worker.stop("asked to stop")
        return worker

    with native_stderr_to(Path(os.devnull)):  # until there is a log
        if isinstance(study, NewStudy):
            end = run_new_study(
                study.runs_dir, study.kind, study.config, study.options, make_worker
            )
        else:
            end = make_worker(study, is_new=False).run()
    reporter.study_ended(end)
    if end.failed or end.problem:
        return EXIT_FAILED, end
    return EXIT_FINISHED if signals.exit_code is None else signals.exit_code, end
