"""State of a queue: its jobs in order, its workers, and their JSON form."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, TypeVar, get_args

from core.common.errors import SetupError
from core.common.text import quoted

JobState = Literal[
    "waiting", "submitted", "running", "interrupted", "finished", "stopped", "failed"
]
STATES: tuple[str, ...] = get_args(JobState)
IN_LINE = ("waiting", "interrupted")
"""States of jobs that a worker may start."""
AT_WORK = ("submitted", "running")
OVER = ("finished", "stopped", "failed")
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A run or a study of the queue."""

    number: int
    arguments: tuple[str, ...]
    """Options of `convnext-tui` that start it."""
    folder: str
    """Working directory, which relative paths in the arguments refer to."""
    resume_arguments: tuple[str, ...] = ()
    """Those of the options that apply when its run is resumed."""
    state: JobState = "waiting"
    """`submitted` is waiting for Slurm; `interrupted` will be resumed."""
    run: str = ""
    """Id of its run or study, once there is one."""
    reason: str = ""
    """Why it failed, stopped or was interrupted."""
    added: float = 0.0
    started: float | None = None
    """When its latest attempt began."""
    ended: float | None = None
    attempt: int = 0
    """How often a worker has taken it."""
    begun: bool = False
    """Whether the process of the latest attempt exists."""
    interruptions: int = 0
    host: str = ""
    """Machine on which the latest attempt runs or ran."""
    worker: str = ""
    """Machine of the worker that has taken it."""
    slot: str = ""
    """Slot of that worker."""
    cluster_job: str = ""
    """Job id of Slurm."""
    stopping: bool = False
    """Its process is asked to save a checkpoint and to exit; the job then waits again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEntry:
    """A worker, which holds the lock named after its machine while it lives."""

    host: str
    pid: int
    slots: tuple[str, ...]
    """Names of its slots; empty = no limit."""
    executor: str = "local"
    started: float = 0.0
    stopping: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """Everything a queue knows."""

    jobs: tuple[Job, ...] = ()
    """In the order in which they start."""
    workers: tuple[WorkerEntry, ...] = ()
    paused: bool = False
    """No job is started; running ones continue."""
    next_number: int = 1

    def job(self, number: int) -> Job:
        """Return a job; raises SetupError if there is none of that number."""
        for job in self.jobs:
            if job.number == number:
                return job
        raise SetupError(f"no job {number} in the queue; `convnext-tui queue list` lists them")

    def with_job(self, changed: Job) -> "QueueState":
        """Return the state with the job of the same number replaced."""
        jobs = (changed if job.number == changed.number else job for job in self.jobs)
        return replace(self, jobs=tuple(jobs))

    def in_line(self) -> list[Job]:
        """Return the jobs that wait to be started, the next one first."""
        return [job for job in self.jobs if job.state in IN_LINE]

    def listed(self) -> list[Job]:
        """Return all jobs for display: those that are over by their end, those at work, the rest
        in order."""
        over = sorted((job for job in self.jobs if job.state in OVER), key=lambda j: j.ended or 0.0)
        at_work = [job for job in self.jobs if job.state in AT_WORK]
        return [*over, *at_work, *self.in_line()]

    def to_json(self) -> str:
        """Return the content of the queue's file."""
        return json.dumps({"version": _VERSION, **asdict(self)}, allow_nan=False)

    @classmethod
    def from_json(cls, text: bytes) -> "QueueState":
        """Parse the content of the queue's file; raises ValueError."""
        tree = json.loads(text)
        if not isinstance(tree, dict) or tree.get("version") != _VERSION:
            raise ValueError(f"it is not of version {_VERSION}")
        return _decoded(
            cls,
            {
                **tree,
                "jobs": tuple(_decoded(Job, each) for each in _list(tree, "jobs")),
                "workers": tuple(_decoded(WorkerEntry, each) for each in _list(tree, "workers")),
            },
        )


_TYPES: Mapping[Any, tuple[type, ...]] = {
    int: (int,),
    str: (str,),
    bool: (bool,),
    float: (float, int),
    float | None: (float, int, type(None)),
}


def _list(tree: Mapping[str, Any], name: str) -> list[Any]:
    if not isinstance(tree.get(name), list):
        raise ValueError(f"{name} is not a list")
    return list(tree[name])


T = TypeVar("T", Job, WorkerEntry, QueueState)


def _decoded(kind: type[T], tree: Any) -> T:
    """Return a dataclass from plain values; fields of newer versions are ignored."""
    if not isinstance(tree, dict):
        raise ValueError(f"a {kind.__name__} is not an object")
    known = {field.name: field.type for field in fields(kind) if field.name in tree}
    values = {name: _value(name, type_, tree[name]) for name, type_ in known.items()}
    try:
        return kind(**values)
    except TypeError:
        raise ValueError("a field is missing") from None


def _value(name: str, type_: Any, value: Any) -> Any:
    if type_ == tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return tuple(value)
    elif type_ is JobState:
        if value in STATES:
            return value
    elif type_ not in _TYPES or type(value) in _TYPES[type_]:
        return value
    raise ValueError(f"{name} is {quoted(str(value)[:40])}")
