"""Rank and size of this process in a torchrun job, from its environment variables.

The variables are those of torch.distributed's elastic agent.
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

RESULT_VARIABLE = "CONVNEXT_TUI_RESULT"
"""Environment variable with the file for the run's exit code. All ranks then exit with 0, so that
the agent doesn't restart them because of a failed run."""

OWN_STORES = "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"
"""Variable of torchrun: use a new store for each start of the ranks."""


@dataclass(frozen=True, slots=True)
class Job:
    """Position of one rank in a torchrun job."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """Rank on this machine, which is the index of its GPU."""
    local_size: int = 1
    id: str = ""
    """Identifies the job across restarts; empty without an elastic agent."""
    restart: int = 0
    """How often the agent has restarted the ranks."""
    restarts_left: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this process owns the run."""
        return self.rank == 0

    @property
    def host(self) -> str:
        """Hostname of this machine."""
        return socket.gethostname()


def find_job(environment: Mapping[str, str] = os.environ) -> Job:
    """Return the position of this process; that of a single process without torchrun."""

    def number(name: str, default: int) -> int:
        try:
            return int(environment.get(name, default))
        except ValueError:
            return default

    if "RANK" not in environment or "TORCHELASTIC_RUN_ID" not in environment:
        return Job()
    restart = number("TORCHELASTIC_RESTART_COUNT", 0)
    # Without --rdzv-id it is "none"; then the agent's process identifies the job.
    run_id = environment["TORCHELASTIC_RUN_ID"]
    agent = f"{socket.gethostname()}-{os.getppid()}-{_start_time(os.getppid())}"
    return Job(
        rank=number("RANK", 0),
        size=max(1, number("WORLD_SIZE", 1)),
        local_rank=number("LOCAL_RANK", 0),
        local_size=max(1, number("LOCAL_WORLD_SIZE", 1)),
        id=agent if run_id == "none" else run_id,
        restart=restart,
        restarts_left=max(0, number("TORCHELASTIC_MAX_RESTARTS", 0) - restart),
    )


def _start_time(pid: int) -> str:
    """Return when a process started: in containers agents often have equal pids."""
    import psutil  # imported late: commands that only review runs don't need it

    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.Error:
        return ""
