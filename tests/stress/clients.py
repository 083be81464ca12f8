"""Let two processes send 1,000 commands at random to a running demo; each must be answered once.

    python -m tests.stress.clients [--commands 1000] [--seed 1]

The demo trains without end in phase full. Each client sends half of the commands: mostly without
waiting, in bursts with random gaps, and one in twenty the way `ctl --wait` does, until its answer
has come. A good third of them makes no sense and has to be refused. At the end the run is told to
stop.

Prints a line a client and kind of command, and a verdict; exits with 1 when an answer is missing,
came twice, came out of a client's order, or is not the one that the command deserves.
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
_LONGEST_GAP = 0.1
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
"""How often each kind is sent, and how it is made."""
_ALWAYS = {"save": True, "patience": True, "lr": True}
_NEVER = {"wrong patience": False, "wrong lr": False, "end of another phase": False}
DESERVED = {**_ALWAYS, **_NEVER}
"""Whether a command is to be applied, where that doesn't depend on others."""


def main() -> int:
    """Start run and clients, or be one of them; returns the exit code."""
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
        return train_and_ask(Path(name), arguments.commands, arguments.seed)


def send_all(folder: RunFolder, count: int, choose: random.Random) -> None:
    """Be a client: send commands, and print a line about each."""
    names = list(_KINDS)
    weights = [weight for weight, _ in _KINDS.values()]
    for kind in choose.choices(names, weights, k=count):
        command = _KINDS[kind][1](choose)
        answer = None
        if choose.random() < _WAITING_SHARE:
            answer = send_command(folder, command, wait=True)[0]
        else:
            append_command(folder.commands, command)
        print(json.dumps({"id": command.id, "kind": kind, "answer": answer}), flush=True)
        if choose.random() < 0.5:
            time.sleep(choose.uniform(0.0, _LONGEST_GAP))  # the gaps are what is random


def train_and_ask(work: Path, commands: int, seed: int) -> int:
    """Train the demo without end, let the clients loose on it; returns the exit code."""
    arguments = headless(work / "runs", "--demo", *options(_ENDLESS))
    with start(arguments, work / "runs", surroundings(work)) as run:
        run.wait_for(lambda event: isinstance(event, ev.PhaseStarted) and event.phase == "full")
        began = time.monotonic()
        sent = ask(run.folder, commands, seed)
        seconds = time.monotonic() - began
        stop = cmd.Stop()
        append_command(run.folder.commands, stop)
        exit_code = run.wait().exit_code
        problems = [f"the run ended with {exit_code}"] if exit_code else []
        problems += check(run.folder, sent, stop) + faults(run.folder)
        answered = "" if problems else ", each answered once and in its client's order"
        return verdict(
            "clients",
            problems,
            f"{sum(map(len, sent))} commands of {CLIENTS} processes in {seconds:.1f} s and the "
            f"final stop: {answers_in_words(run.folder)}{answered}",
        )


def ask(folder: RunFolder, commands: int, seed: int) -> list[list[dict[str, Any]]]:
    """Let all clients send at the same time; returns what each has sent, in its order."""
    clients = []
    for number in range(CLIENTS):
        arguments = ["--commands", str(commands // CLIENTS), "--seed", str(seed + number)]
        with said_by(folder, number).open("wb") as output:
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
        lines = [json.loads(line) for line in said_by(folder, number).read_text().splitlines()]
        waited = sum(line["answer"] is not None for line in lines)
        counts = Counter(line["kind"] for line in lines)
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
        print(f"client {number + 1}: {len(lines)} sent, {waited} waited for ({kinds})", flush=True)
        sent.append(lines)
    return sent


def said_by(folder: RunFolder, number: int) -> Path:
    """Return the file that a client prints to."""
    return folder.path.parent.with_name(f"client-{number}.jsonl")


def check(folder: RunFolder, sent: list[list[dict[str, Any]]], stop: cmd.Stop) -> list[str]:
    """Return what is wrong with the answers in the run's journal."""
    told = [record.event for record in replay(folder.journal)[0]]
    answers = [e for e in told if isinstance(e, ev.CommandApplied | ev.CommandRefused)]
    counts = Counter(answer.id for answer in answers)
    problems = []
    for number, lines in enumerate(sent, 1):
        own = [line["id"] for line in lines]
        lost = sum(not counts[id] for id in own)
        twice = sum(counts[id] > 1 for id in own)
        if lost or twice:
            problems.append(f"client {number}: {lost} commands lost, {twice} answered twice")
        if [answer.id for answer in answers if answer.id in set(own)] != own:
            problems.append(f"client {number}: answers are not in its order")
    known = {line["id"]: line for lines in sent for line in lines}
    if strange := counts.keys() - known.keys() - {stop.id}:
        problems.append(f"{len(strange)} answers to nothing that was sent")
    if not answers or answers[-1].id != stop.id:
        problems.append("the stop was not answered last")
    for answer in answers:
        problems += undeserved(answer, known.get(answer.id, {}))
    return problems


def undeserved(answer: ev.CommandApplied | ev.CommandRefused, line: dict[str, Any]) -> list[str]:
    """Return what is wrong with one answer by what was sent, and by what the client heard."""
    kind, applied = line.get("kind", ""), isinstance(answer, ev.CommandApplied)
    problems = []
    if DESERVED.get(kind, applied) is not applied:
        problems.append(f"{kind} was {'applied' if applied else 'refused'}")
    if line.get("answer") not in (None, APPLIED if applied else REFUSED):
        problems.append(f"a client heard {line['answer']} about {kind}")
    return problems


def answers_in_words(folder: RunFolder) -> str:
    """Return how many commands were applied and refused."""
    told = [record.event for record in replay(folder.journal)[0]]
    applied = sum(isinstance(event, ev.CommandApplied) for event in told)
    refused = sum(isinstance(event, ev.CommandRefused) for event in told)
    return f"{applied} applied and {refused} refused"


if __name__ == "__main__":
    sys.exit(main())
