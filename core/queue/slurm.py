"""Start jobs on a Slurm cluster, through submitit."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from core.common.errors import SetupError, reason_of
from core.common.text import quoted
from core.queue.run_job import PROGRAM, run_submitted
from core.queue.state import Job, JobState
from core.queue.store import Queue

DEFAULTS: Mapping[str, object] = {"timeout_min": 240, "gpus_per_node": 1, "cpus_per_task": 8}
"""Parameters of submitit's AutoExecutor; a run that reaches the time limit is resumed."""


def parse_parameters(texts: Sequence[str]) -> dict[str, object]:
    """Return parameters of submitit given as KEY=VALUE; raises SetupError."""
    given: dict[str, object] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise SetupError(f"--slurm {quoted(text)}: expected KEY=VALUE")
        given[key] = _number(value)
    return given


def _number(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


class SlurmLauncher:
    """Submit every job to Slurm, which starts the job's process on one of its machines."""

    first_state: JobState = "submitted"
    poll_seconds = 5.0

    def __init__(
        self,
        queue: Queue,
        parameters: Mapping[str, object],
        program: Sequence[str] = PROGRAM,
        cluster: str = "slurm",
    ) -> None:
        """`cluster` is an executor of submitit. Raises SetupError without submitit or Slurm."""
        try:
            import submitit
        except ImportError:
            raise SetupError(
                "--executor slurm needs submitit: pip install 'convnext-tui[slurm]'"
            ) from None
        self._queue = queue
        self._program = tuple(program)
        self._jobs: dict[str, Any] = {}
        try:
            self._executor = submitit.AutoExecutor(self._folder, cluster=cluster)
            self._executor.update_parameters(
                **{"name": "convnext-tui", "stderr_to_stdout": True, **DEFAULTS, **parameters}
            )
        except (RuntimeError, ValueError, TypeError, NameError, AssertionError) as error:
            raise SetupError(f"--executor {cluster}: {reason_of(error)}") from None

    @property
    def _folder(self) -> str:
        return str(self._queue.folder / "slurm" / "%j")

    def busy_slots(self) -> Collection[str]:
        """Return no slots: the processes are on the cluster."""
        return ()

    def prepare(self, job: Job) -> bool:
        """Return True: the process of a job takes its lock when it begins."""
        return True

    def start(self, job: Job, on_end: Callable[[], object]) -> str:
        """Submit an attempt of a job; returns its id. Raises OSError."""
        arguments = (str(self._queue.runs_dir), job.number, job.attempt, self._program)
        try:
            submitted = self._executor.submit(run_submitted, *arguments)
        except Exception as error:  # of any kind: sbatch refuses in many ways
            raise OSError(reason_of(error)) from None
        self._jobs[submitted.job_id] = submitted
        return str(submitted.job_id)

    def is_alive(self, job: Job) -> bool:
        """Return whether a job's process holds its lock, or Slurm has not ended it."""
        if self._queue.is_alive(job):
            return True
        return bool(job.cluster_job) and not self._submitted(job).done()

    def cancel(self, job: Job) -> None:
        """Cancel a job that Slurm has not started."""
        if job.cluster_job:
            self._submitted(job).cancel(check=False)

    def wait(self) -> None:
        """Do nothing: the processes on the cluster stop without this worker."""

    def _submitted(self, job: Job) -> Any:
        """Return submitit's view of a job, also of one that an earlier worker has submitted."""
        if job.cluster_job not in self._jobs:
            import submitit

            self._jobs[job.cluster_job] = submitit.SlurmJob(self._folder, job.cluster_job)
        return self._jobs[job.cluster_job]
