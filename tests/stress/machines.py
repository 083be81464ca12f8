"""Two machines in one: torchrun with two nodes, each in namespaces of its own, on a shared folder.

    python -m tests.stress.machines [--seed 1]

Needs to be root, for `ip netns`. Trains three times: left alone; with the second machine's rank
killed once in each phase, which must end as the first; and with the cable between them pulled,
which must end both ranks after the timeout with an error that says so. (The agent that doesn't hold
the agents' own store waits longer for that: its machine is for the job's manager to clear.) Prints
a line each and a verdict; exits with 1 when one of it is not so.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil

from core.config.phases import PHASES
from core.distributed.torch_process_group import TIMEOUT_VARIABLE
from core.events.journal import replay
from core.events.types import DeviceSample
from core.run.folder import RunFolder
from tests.make_images import make_images
from tests.stress.common import (
    differences,
    is_training,
    only_run,
    options,
    ranks_of,
    settings,
    starts_anew,
    surroundings,
    verdict,
    wait_for,
)

NAMES = ("machine-1", "machine-2")
_ADDRESSES = ("10.77.0.1", "10.77.0.2")
_CABLE = ("stress-1", "stress-2")
_TIMEOUT_SECONDS = 5
_LONGEST_SECONDS = 120


class Machines:
    """Two machines that train one run."""

    def __init__(self, work: Path, changes: list[str], restarts: int) -> None:
        work.mkdir()
        self._runs_dir = work / "runs"
        self._processes = [
            psutil.Popen(
                self._command(number, changes, restarts),
                env=surroundings(
                    work / NAMES[number],
                    GLOO_SOCKET_IFNAME=_CABLE[number],
                    TORCH_DISABLE_SHARE_RDZV_TCP_STORE="1",
                    **{TIMEOUT_VARIABLE: str(_TIMEOUT_SECONDS)},
                ),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for number in range(2)
        ]

    def wait_for(self, phase: str, starts: int) -> None:
        """Wait until they train this phase, after so many starts."""
        wait_for(partial(is_training, self._runs_dir, starts, phase))

    def kill(self, number: int) -> None:
        """Kill the rank of one machine."""
        (rank,) = ranks_of(self._processes[number])
        rank.kill()

    def wait(self) -> tuple[RunFolder, list[int]]:
        """Wait for the end; returns the run and both exit codes."""
        codes = [process.wait(_LONGEST_SECONDS) for process in self._processes]
        return only_run(self._runs_dir), codes

    def wait_for_the_ranks(self) -> int:
        """Wait until no rank lives; returns the exit code of the machine that holds the agents'
        store."""
        wait_for(lambda: not any(map(ranks_of, self._processes)))
        return self._processes[0].wait(_LONGEST_SECONDS)

    def close(self) -> None:
        """End what still lives."""
        for process in self._processes:
            if process.is_running():
                for child in [*process.children(recursive=True), process]:
                    child.kill()
                process.wait()

    def _command(self, number: int, changes: list[str], restarts: int) -> list[str]:
        # Both have the address of one machine, as far as their agents can tell by themselves.
        agent = [
            *("--nnodes=2", "--nproc-per-node=1", f"--max-restarts={restarts}"),
            *("--rdzv-id=stress", "--rdzv-backend=c10d", f"--rdzv-endpoint={_ADDRESSES[0]}:29400"),
            *(f"--rdzv-conf=is_host={int(number == 0)}", f"--local-addr={_ADDRESSES[number]}"),
        ]
        program = ["-m", "tui", "--no-ui", "--device", "cpu", "--log-format", "plain"]
        where = ["--runs-dir", str(self._runs_dir)]
        return [
            *("ip", "netns", "exec", NAMES[number], "unshare", "--uts", "sh", "-c"),
            'hostname "$0" && exec "$@"',
            *(NAMES[number], sys.executable, "-m", "torch.distributed.run"),
            *(*agent, *program, *where, *changes),
        ]


def main() -> int:
    """Train on two machines three times; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    chance = random.Random(parser.parse_args().seed)
    with tempfile.TemporaryDirectory(prefix="convnext-tui-machines-") as folder, cable():
        work = Path(folder)
        photos = make_images(work / "photos", classes=3, per_class=16)
        changes = options(settings(photos, head=150, full=60))
        quiet, problems = left_alone(work / "quiet", changes)
        problems += killed(work / "killed", changes, quiet, chance)
        problems += pulled(work / "pulled", changes)
    return verdict("machines", problems, "left alone, two ranks killed, a cable pulled")


def left_alone(work: Path, changes: list[str]) -> tuple[RunFolder, list[str]]:
    """Train without trouble; returns the run and what is wrong."""
    with started(work, changes, restarts=0) as machines:
        run, codes = machines.wait()
    hosts = {record.event.host for record in replay(run.journal)[0] if is_sample(record.event)}
    print(f"left alone: exit codes {codes}, device samples of {sorted(hosts)}", flush=True)
    problems = [f"exit codes {codes}"] if any(codes) else []
    return run, problems + ([] if hosts == set(NAMES) else [f"samples of {sorted(hosts)} only"])


def killed(work: Path, changes: list[str], quiet: RunFolder, chance: random.Random) -> list[str]:
    """Kill the second machine's rank once a phase; returns what is wrong."""
    with started(work, changes, restarts=3) as machines:
        for starts, phase in enumerate(PHASES, 1):
            machines.wait_for(phase, starts)
            time.sleep(chance.uniform(0, 1))
            machines.kill(1)
        run, codes = machines.wait()
    anew = starts_anew(run)
    print(f"killed: exit codes {codes}, {anew} starts anew", flush=True)
    problems = [f"different: {name}" for name in differences(run, quiet)]
    return problems + ([] if (anew, any(codes)) == (2, False) else ["the kills were not survived"])


def pulled(work: Path, changes: list[str]) -> list[str]:
    """Pull the cable; returns what is wrong."""
    with started(work, changes, restarts=0) as machines:
        machines.wait_for(PHASES[0], 1)
        pull()
        began = time.monotonic()
        code = machines.wait_for_the_ranks()
    seconds = time.monotonic() - began
    said = only_run(work / "runs").log.read_text().count("the other ranks are unreachable")
    print(f"pulled: exit code {code} after {seconds:.0f} s, told by {said} ranks", flush=True)
    return [] if code and said == len(NAMES) else [f"exit code {code}, told by {said} ranks"]


def is_sample(event: object) -> bool:
    """Whether an event tells of a device."""
    return isinstance(event, DeviceSample)


@contextmanager
def started(work: Path, changes: list[str], restarts: int) -> Iterator[Machines]:
    """Yield two machines that train; nothing of them lives afterwards."""
    machines = Machines(work, changes, restarts)
    try:
        yield machines
    finally:
        machines.close()


@contextmanager
def cable() -> Iterator[None]:
    """Have two networks with a cable between them."""
    try:
        for name in NAMES:
            _ip("netns", "add", name)
        _ip("link", "add", _CABLE[0], "type", "veth", "peer", "name", _CABLE[1])
        for name, end, address in zip(NAMES, _CABLE, _ADDRESSES, strict=True):
            _ip("link", "set", end, "netns", name)
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", end)
            for device in (end, "lo"):
                _ip("-n", name, "link", "set", device, "up")
        yield
    finally:
        for name in NAMES:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def pull() -> None:
    """Let nothing through the cable any more."""
    _ip("-n", NAMES[1], "link", "set", _CABLE[1], "down")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


if __name__ == "__main__":
    sys.exit(main())
