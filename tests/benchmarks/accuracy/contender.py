"""One peer in its own process: `python -m tests.benchmarks.accuracy.contender MODULE TASK`.

Its last line is the outcome as JSON.
"""

import importlib
import json
import subprocess
import sys
from dataclasses import asdict

from tests.benchmarks.accuracy.task import Outcome, Task, outcome_from_tree
from tests.benchmarks.program import environment

PEERS = {"timm": "timm_loop", "fastai": "fastai_learner"}
"""Modules of this package by contender."""


def train(name: str, task: Task) -> Outcome:
    """Train a peer in this process."""
    if task.threads is not None:
        import torch

        torch.set_num_threads(task.threads)
    module = importlib.import_module(f"tests.benchmarks.accuracy.{PEERS[name]}")
    return module.train(task)


def train_apart(name: str, task: Task) -> Outcome:
    """Train a peer in a new process; raises RuntimeError with its last words."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.accuracy.contender", name, task.to_json()],
        env=environment(**task.environment()),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{name} failed:\n{done.stderr[-3000:]}")
    return outcome_from_tree(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    reached = train(sys.argv[1], Task.from_json(sys.argv[2]))
    print(json.dumps({phase: asdict(part) for phase, part in reached.items()}))
