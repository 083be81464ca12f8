"""Run this process as one of the ranks that torchrun has started."""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.common.errors import SetupError, os_error_text
from core.distributed.torchrun_env import RESULT_VARIABLE, Job

if TYPE_CHECKING:
    from core.config.schema import Config
    from core.session.resume import Resumption

    Plan = Callable[[], tuple[Config, Resumption | None]]

_EXIT_CODES = {"finished": 0, "stopped": 0, "failed": 1}


def run_as_rank(job: Job, plan: "Plan", runs_dir: Path, log_format: str) -> int:
    """Train as one of several ranks; returns the exit code.

    After torchrun has restarted the ranks, the run resumes from its last checkpoint.
    """
    config, resumption = plan()
    if not job.is_main:
        from core.session.worker_rank import run_worker_rank

        return run_worker_rank(job, config.device)
    from core.events.journal import replay
    from core.run.find import changes_of_job, is_of_job, run_of_job
    from core.run.state import fold
    from core.session.resume import plan_resumption
    from core.session.run_setup import release_ranks

    folder = resumption.folder if resumption else run_of_job(runs_dir, job.id)
    past = replay(folder.journal)[0] if folder else []
    if folder is not None and is_of_job(past, job.id):
        status = fold(past).status
        if status in _EXIT_CODES:
            release_ranks(config)
            return _report_exit_code(_EXIT_CODES[status])
        # The requested changes are in the run's configuration, but maybe not in its checkpoint.
        resumption = replace(plan_resumption(folder), changes=changes_of_job(past, job.id))
        config = resumption.config
    from core.session.engine_thread import EXIT_RESTART, EXIT_USAGE
    from tui.runtime.headless import run_headless

    try:
        code = run_headless(config, runs_dir, log_format, resumption)
    except SetupError as error:
        # A restart would fail with the same error.
        release_ranks(config)
        print(f"error: {error}", file=sys.stderr)
        return _report_exit_code(EXIT_USAGE)
    return code if code == EXIT_RESTART else _report_exit_code(code)


def _report_exit_code(code: int) -> int:
    """Write a run's exit code to the file that the launcher reads.

    Returns this rank's exit code: another code than 0 makes torchrun restart all ranks.
    """
    name = os.environ.get(RESULT_VARIABLE)
    if not name:
        return code
    try:
        Path(name).write_text(str(code), encoding="ascii")
    except FileNotFoundError:  # the launcher has exited
        return code
    except OSError as error:
        print(f"{name}: {os_error_text(error)}", file=sys.stderr)
        return code
    return 0
