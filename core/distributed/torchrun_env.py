"""The place of this process among those that torchrun started, by the environment it gives them.

The variables are those of torch.distributed's elastic agent.
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

RESULT_VARIABLE = "CONVNEXT_TUI_RESULT"
"""Environment variable that names a file for the run's exit code, where whoever started the ranks
wants to know it: they then all end with 0, and the agent restarts none for a verdict."""

OWN_STORES = "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"
"""torchrun's switch: a new store for each start of the ranks, not one for all of them."""


@dataclass(frozen=True, slots=True)
class Job:
    """One of `size` ranks."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """Among those on this machine: which GPU is its own."""
    local_size: int = 1
    id: str = ""
    """What all starts of the job have in common; empty without an elastic agent."""
    restart: int = 0
    """How often the agent has started the ranks anew."""
    restarts_left: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this process owns the run."""
        return self.rank == 0

    @property
    def host(self) -> str:
        """The name of this machine."""
        return socket.gethostname()


def find_job(environment: Mapping[str, str] = os.environ) -> Job:
    """Return the place of this process; alone where nobody has given it one."""

    def number(name: str, default: int) -> int:
        try:
            return int(environment.get(name, default))
        except ValueError:
            return default

    if "RANK" not in environment or "TORCHELASTIC_RUN_ID" not in environment:
        return Job()
    restart = number("TORCHELASTIC_RESTART_COUNT", 0)
    # Without --rdzv-id it is called "none"; then the agent itself tells the jobs apart.
    name = environment["TORCHELASTIC_RUN_ID"]
    unnamed = f"{socket.gethostname()}-{os.getppid()}-{_began(os.getppid())}"
    return Job(
        rank=number("RANK", 0),
        size=max(1, number("WORLD_SIZE", 1)),
        local_rank=number("LOCAL_RANK", 0),
        local_size=max(1, number("LOCAL_WORLD_SIZE", 1)),
        id=unnamed if name == "none" else name,
        restart=restart,
        restarts_left=max(0, number("TORCHELASTIC_MAX_RESTARTS", 0) - restart),
    )


def _began(pid: int) -> str:
    """Return when a process began: in containers agents often have the same number."""
    import psutil  # whoever only looks at runs doesn't wait for it

    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.Error:
        return ""
