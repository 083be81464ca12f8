"""Send 1,000 random commands from two processes to a running demo; each must get one reply.

    python -m tests.stress.clients [--commands 1000] [--seed 1]

The demo trains endlessly in phase full. Each client sends half of the commands: mostly without
waiting, in bursts with random gaps, and one in twenty like `ctl --wait`, which waits for the reply.
More than a third are invalid and must be refused. At the end the run is stopped.

Prints one line per client and a verdict; exits with 1 if a reply is missing, comes twice, is out of
a client's order, or applies or refuses a command wrongly.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.events import commands as cmd
from core.events import types as ev
from core.events.command_file import append_command
from core.events.journal import replay
from core.run.folder import RunFolder
from tests.stress.common import faults, headless, options, surroundings, verdict
from tests.stress.watch import start
from tests.tui.command import environment
from tui.runtime.remote_control import APPLIED, REFUSED, send_command

CLIENTS = 2
_CLIENT = (sys.executable, "-m", "tests.stress.clients")
_ENDLESS = {
    "phases.head.epochs": 1,
    "phases.full.epochs": 100_000,
    "phases.full.early_stopping.patience": 100_000,
}
_MAX_GAP = 0.1
_WAITING_SHARE = 0.05
_KINDS: dict[str, tuple[int, Callable[[random.Random], cmd.Command]]] = {
    "pause": (3, lambda choose: cmd.Pause()),
    "resume": (4, lambda choose: cmd.Resume()),
    "save": (1, lambda choose: cmd.SaveCheckpoint()),
    "patience": (3, lambda choose: cmd.SetPatience(patience=choose.randint(50_000, 100_000))),
    "wrong patience": (2, lambda choose: cmd.SetPatience(patience=choose.choice((0, -3, 100_001)))),
    "lr": (3, lambda choose: cmd.SetLearningRate(lr=choose.uniform(1e-4, 1e-2))),
    "wrong lr": (2, lambda choose: cmd.SetLearningRate(lr=choose.choice((0.0, -1.0, 11.0)))),
    "end of another phase": (2, lambda choose: cmd.EndPhase(phase="head")),
}
"""How often each kind is sent, and how it is created."""
_ALWAYS = {"save": True, "patience": True, "lr": True}
_NEVER = {"wrong patience": False, "wrong lr": False, "end of another phase": False}
EXPECTED = {**_ALWAYS, **_NEVER}
"""Whether a command must be applied, if that doesn't depend on other commands."""


def main() -> int:
    """Start the run and the clients, or act as a client; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--commands", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--client", type=Path, metavar="RUN", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.client:
        send_all(RunFolder(arguments.client), arguments.commands, random.Random(arguments.seed))
        return 0
    with tempfile.TemporaryDirectory() as name:
        return train_and_send(Path(name), arguments.commands, arguments.seed)


def send_all(folder: RunFolder, count: int, choose: random.Random) -> None:
    """Act as a client: send commands and print one line for each."""
    names = list(_KINDS)
    weights = [weight for weight, _ in _KINDS.values()]
    for kind in choose.choices(names, weights, k=count):
        command = _KINDS[kind][1](choose)
        reply = None
        if choose.random() < _WAITING_SHARE:
            reply = send_command(folder, command, wait=True)[0]
        else:
            append_command(folder.commands, command)
        print(json.dumps({"id": command.id, "kind": kind, "reply": reply}), flush=True)
        if choose.random() < 0.5:
            time.sleep(choose.uniform(0.0, _MAX_GAP))  # random gaps


def train_and_send(work: Path, commands: int, seed: int) -> int:
    """Train the demo endlessly while clients send commands; returns the exit code."""
    arguments = headless(work / "runs", "--demo", *options(_ENDLESS))
    with start(arguments, work / "runs", surroundings(work)) as run:
        run.wait_for(lambda event: isinstance(event, ev.PhaseStarted) and event.phase == "full")
        began = time.monotonic()
        sent = send_from_clients(run.folder, commands, seed)
        seconds = time.monotonic() - began
        stop = cmd.Stop()
        append_command(run.folder.commands, stop)
        exit_code = run.wait().exit_code
        problems = [f"the run ended with {exit_code}"] if exit_code else []
        problems += check(run.folder, sent, stop) + faults(run.folder)
        replied = "" if problems else ", each with one reply and in its client's order"
        return verdict(
            "clients",
            problems,
            f"{sum(map(len, sent))} commands of {CLIENTS} processes in {seconds:.1f} s and the "
            f"final stop: {count_replies(run.folder)}{replied}",
        )


def send_from_clients(folder: RunFolder, commands: int, seed: int) -> list[list[dict[str, Any]]]:
    """Run all clients at the same time; returns the commands of each, in order."""
    clients = []
    for number in range(CLIENTS):
        arguments = ["--commands", str(commands // CLIENTS), "--seed", str(seed + number)]
        with output_of(folder, number).open("wb") as output:
            clients.append(
                subprocess.Popen(
                    [*_CLIENT, "--client", str(folder.path), *arguments],
                    env=environment(),
                    stdout=output,
                )
            )
    sent = []
    for number, client in enumerate(clients):
        if client.wait():
            raise RuntimeError(f"client {number + 1} ended with {client.returncode}")
        lines = [json.loads(line) for line in output_of(folder, number).read_text().splitlines()]
        waited = sum(line["reply"] is not None for line in lines)
        counts = Counter(line["kind"] for line in lines)
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
        print(f"client {number + 1}: {len(lines)} sent, {waited} with --wait ({kinds})", flush=True)
        sent.append(lines)
    return sent


def output_of(folder: RunFolder, number: int) -> Path:
    """Return the output file of a client."""
    return folder.path.parent.with_name(f"client-{number}.jsonl")


def check(folder: RunFolder, sent: list[list[dict[str, Any]]], stop: cmd.Stop) -> list[str]:
    """Return problems with the replies in the run's journal."""
    events = [record.event for record in replay(folder.journal)[0]]
    replies = [e for e in events if isinstance(e, ev.CommandApplied | ev.CommandRefused)]
    counts = Counter(reply.id for reply in replies)
    problems = []
    for number, lines in enumerate(sent, 1):
        own = [line["id"] for line in lines]
        lost = sum(not counts[id] for id in own)
        twice = sum(counts[id] > 1 for id in own)
        if lost or twice:
            problems.append(f"client {number}: {lost} commands without a reply, {twice} with two")
        if [reply.id for reply in replies if reply.id in set(own)] != own:
            problems.append(f"client {number}: replies are out of order")
    known = {line["id"]: line for lines in sent for line in lines}
    if strange := counts.keys() - known.keys() - {stop.id}:
        problems.append(f"{len(strange)} replies to unknown commands")
    if not replies or replies[-1].id != stop.id:
        problems.append("the stop did not get the last reply")
    for reply in replies:
        problems += unexpected(reply, known.get(reply.id, {}))
    return problems


def unexpected(reply: ev.CommandApplied | ev.CommandRefused, line: dict[str, Any]) -> list[str]:
    """Return problems with one reply, given the command and the client's output."""
    kind, applied = line.get("kind", ""), isinstance(reply, ev.CommandApplied)
    problems = []
    if EXPECTED.get(kind, applied) is not applied:
        problems.append(f"{kind} was {'applied' if applied else 'refused'}")
    if line.get("reply") not in (None, APPLIED if applied else REFUSED):
        problems.append(f"a client printed {line['reply']} for {kind}")
    return problems


def count_replies(folder: RunFolder) -> str:
    """Return how many commands were applied and refused."""
    events = [record.event for record in replay(folder.journal)[0]]
    applied = sum(isinstance(event, ev.CommandApplied) for event in events)
    refused = sum(isinstance(event, ev.CommandRefused) for event in events)
    return f"{applied} applied and {refused} refused"


if __name__ == "__main__":
    sys.exit(main())
