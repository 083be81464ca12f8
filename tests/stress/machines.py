"""Simulate two machines: torchrun with two nodes in separate namespaces, on a shared folder.

    python -m tests.stress.machines [--seed 1]

Must run as root, for `ip netns`. Trains three times: undisturbed; with the second machine's rank
killed once in each phase, whose results must be equal; and with the network between them cut, which
must end both ranks after the timeout with an error about it. (The agent that doesn't host the
agents' store waits longer: its machine is cleared by the job manager.) Prints one line each and a
verdict; exits with 1 on any failure.
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
    restarts,
    settings,
    surroundings,
    verdict,
    wait_for,
)

NAMES = ("machine-1", "machine-2")
_ADDRESSES = ("10.77.0.1", "10.77.0.2")
_CABLE = ("stress-1", "stress-2")
_TIMEOUT_SECONDS = 5
_TIMEOUT_LIMIT_SECONDS = 120


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
        """Wait until they train this phase, after `starts` starts."""
        wait_for(partial(is_training, self._runs_dir, starts, phase))

    def kill(self, number: int) -> None:
        """Kill the rank of one machine."""
        (rank,) = ranks_of(self._processes[number])
        rank.kill()

    def wait(self) -> tuple[RunFolder, list[int]]:
        """Wait for the end; returns the run and both exit codes."""
        codes = [process.wait(_TIMEOUT_LIMIT_SECONDS) for process in self._processes]
        return only_run(self._runs_dir), codes

    def wait_for_the_ranks(self) -> int:
        """Wait until no rank is alive; returns the exit code of the machine that hosts the agents'
        store."""
        wait_for(lambda: not any(map(ranks_of, self._processes)))
        return self._processes[0].wait(_TIMEOUT_LIMIT_SECONDS)

    def close(self) -> None:
        """Kill all processes that are still alive."""
        for process in self._processes:
            if process.is_running():
                for child in [*process.children(recursive=True), process]:
                    child.kill()
                process.wait()

    def _command(self, number: int, changes: list[str], restarts: int) -> list[str]:
        # Name the host and addresses: the agents themselves would detect one machine.
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
        reference, problems = undisturbed(work / "reference", changes)
        problems += killed(work / "killed", changes, reference, chance)
        problems += network_cut(work / "network-cut", changes)
    return verdict("machines", problems, "undisturbed, two ranks killed, network cut")


def undisturbed(work: Path, changes: list[str]) -> tuple[RunFolder, list[str]]:
    """Train without failures; returns the run and the problems."""
    with started(work, changes, restarts=0) as machines:
        run, codes = machines.wait()
    hosts = {record.event.host for record in replay(run.journal)[0] if is_sample(record.event)}
    print(f"undisturbed: exit codes {codes}, device samples of {sorted(hosts)}", flush=True)
    problems = [f"exit codes {codes}"] if any(codes) else []
    return run, problems + ([] if hosts == set(NAMES) else [f"samples of {sorted(hosts)} only"])


def killed(
    work: Path, changes: list[str], reference: RunFolder, chance: random.Random
) -> list[str]:
    """Kill the second machine's rank once per phase; returns the problems."""
    with started(work, changes, restarts=3) as machines:
        for starts, phase in enumerate(PHASES, 1):
            machines.wait_for(phase, starts)
            time.sleep(chance.uniform(0, 1))
            machines.kill(1)
        run, codes = machines.wait()
    number = restarts(run)
    print(f"killed: exit codes {codes}, {number} restarts", flush=True)
    problems = [f"different: {name}" for name in differences(run, reference)]
    return problems + (
        [] if (number, any(codes)) == (2, False) else ["the run did not recover from the kills"]
    )


def network_cut(work: Path, changes: list[str]) -> list[str]:
    """Cut the network; returns the problems."""
    with started(work, changes, restarts=0) as machines:
        machines.wait_for(PHASES[0], 1)
        cut()
        began = time.monotonic()
        code = machines.wait_for_the_ranks()
    seconds = time.monotonic() - began
    reports = only_run(work / "runs").log.read_text().count("the other ranks are unreachable")
    print(
        f"network cut: exit code {code} after {seconds:.0f} s, reported by {reports} ranks",
        flush=True,
    )
    return (
        [] if code and reports == len(NAMES) else [f"exit code {code}, reported by {reports} ranks"]
    )


def is_sample(event: object) -> bool:
    """Return whether an event is a device sample."""
    return isinstance(event, DeviceSample)


@contextmanager
def started(work: Path, changes: list[str], restarts: int) -> Iterator[Machines]:
    """Yield two training machines; all their processes are killed afterwards."""
    machines = Machines(work, changes, restarts)
    try:
        yield machines
    finally:
        machines.close()


@contextmanager
def cable() -> Iterator[None]:
    """Create two network namespaces with a virtual cable between them."""
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


def cut() -> None:
    """Cut the connection."""
    _ip("-n", NAMES[1], "link", "set", _CABLE[1], "down")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


if __name__ == "__main__":
    sys.exit(main())
