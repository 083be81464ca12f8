"""Overhead of the engine over a bare training step, in microseconds.

    python -m tests.benchmarks.step [--quick] [--json FILE]

The same model, optimizer and batches in memory; one math thread; blocks of steps in turns. Each is
measured by wall time and by the CPU time of the thread, which other programs on the machine disturb
less. `bare` is zero_grad, forward, loss, backward, clipping and the optimizer step. `counting` also
accumulates the running loss and top-1, as a careful custom loop would. The overhead is a large part
of the tiny model's step and thus measured precisely; the other model is timm's smallest ConvNeXt.
"""

import copy
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from core.config.load import load_config
from core.data.assign import SplitOptions
from core.data.loading.dataset import Batch
from core.data.split import plan_data
from core.events.commands import CommandQueue
from core.events.emitter import Emitter
from core.run.folder import create_run
from core.training.engine import Engine
from core.training.optimizers import build_optimizer
from core.training.setup import PreparedEngine, prepare_engine
from tests.benchmarks.common import (
    Options,
    Report,
    Table,
    in_turn,
    main,
    median,
    options_parser,
    spread,
)
from tests.make_images import make_images

_BATCH = 4
_IN_MEMORY = 16
_TINY = "benchmark_tiny"
_CLOCKS = {"clock": time.perf_counter, "processor": time.thread_time}

Seconds = dict[str, dict[str, list[float]]]


class Tiny(nn.Module):
    """The smallest network that the engine accepts."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 8, stride=8)
        self.classifier = nn.Linear(8, num_classes)
        self.pretrained_cfg = {"input_size": (3, 32, 32), "classifier": "classifier"}

    def get_classifier(self) -> nn.Module:
        return self.classifier

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.stem(images).mean((2, 3)))


def benchmark_tiny(pretrained: bool = False, **options: Any) -> Tiny:
    """Create it by name, like timm's models."""
    return Tiny(options["num_classes"])


@dataclass
class Bare:
    """A custom loop over the same batches."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    clip: float
    batches: list[tuple[Tensor, Tensor]]
    counting: bool = False

    def __call__(self, steps: int) -> None:
        """Take `steps` steps."""
        parameters = list(self.model.parameters())
        loss_sum, hits = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for images, labels in islice(cycle(self.batches), steps):
            self.optimizer.zero_grad(set_to_none=True)
            logits = self.model(images)
            loss = nn.functional.cross_entropy(logits, labels)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, self.clip)
            self.optimizer.step()
            if self.counting:
                loss_sum += loss.detach() * len(labels)
                hits += (logits.detach().argmax(1) == labels).sum()


def measure(options: Options, work: Path) -> Report:
    """Measure both models."""
    timm.models.register_model(benchmark_tiny)
    torch.set_num_threads(1)
    report = Report()
    table = Table(
        "training step, µs: median of the blocks (quartiles)",
        ["model", "by", "bare", "counting", "engine", "engine adds", "vs counting"],
    )
    images = make_images(work / "images", classes=4, per_class=40, size=32)
    for name, steps in ((_TINY, 400), ("test_convnext", 40)):
        rounds = 5 if options.quick else 60
        found = compare(name, images, work / name, steps, rounds)
        report.values[name] = found
        for clock, taken in found.items():
            bare, counting, engine = (taken[kind] for kind in ("bare", "counting", "engine"))
            cells = [f"{1e6 * median(values):.0f}" for values in (bare, counting, engine)]
            table.add(name, clock, *cells, _difference(engine, bare), _difference(engine, counting))
    report.tables.append(table)
    return report


def compare(name: str, images: Path, work: Path, steps: int, rounds: int) -> Seconds:
    """Return seconds per step by clock and loop, one value per round."""
    prepared = _prepare(name, images, work)
    try:
        engine = prepared.engine
        source = _training_source(engine)
        batches = [_as_float(b) for b in islice(source.epoch("full", 1), _IN_MEMORY)]
        state = engine.begin_phase("full")
        loops: dict[str, Callable[[int], None]] = {
            "bare": _bare(engine, batches),
            "counting": _bare(engine, batches, counting=True),
        }

        def through_the_engine(steps: int) -> None:
            source.epoch = lambda *_, **__: _repeated(batches, steps)
            state.step = 0
            assert engine.train_epoch(state) is None, "the engine ended the phase"

        loops["engine"] = through_the_engine
        return _in_turns(loops, steps, rounds)
    finally:
        prepared.close()


def _in_turns(loops: dict[str, Callable[[int], None]], steps: int, rounds: int) -> Seconds:
    found: Seconds = {clock: {kind: [] for kind in loops} for clock in _CLOCKS}
    for number in range(-1, rounds):  # the first round warms up
        for kind in in_turn(list(loops), number):
            began = {clock: now() for clock, now in _CLOCKS.items()}
            loops[kind](steps)
            for clock, now in _CLOCKS.items():
                if number >= 0:
                    found[clock][kind].append((now() - began[clock]) / steps)
    return found


def _difference(of: list[float], to: list[float]) -> str:
    """Return the median difference of one to the other in the same round."""
    more = sorted(1e6 * (a - b) for a, b in zip(of, to, strict=True))
    cut = len(more) // 4
    return spread(more[cut : len(more) - cut], 0)


def _repeated(batches: list[Batch], steps: int) -> Iterator[Batch]:
    return islice(cycle(batches), steps)


def _as_float(batch: Batch) -> Batch:
    """Return a batch in floating point, so that both loops exclude the conversion."""
    return batch._replace(images=batch.images.float().div_(255))


def _training_source(engine: Engine) -> Any:
    """Return the batch source of the engine in phase full."""
    phase_inputs = getattr(engine, "phase_inputs", None)
    return phase_inputs["full"].train if phase_inputs else engine.train


def _bare(engine: Engine, batches: list[Batch], counting: bool = False) -> Bare:
    model = copy.deepcopy(engine.model).train().requires_grad_(True)
    optimizer = build_optimizer(engine.config.phases.full, list(model.parameters()))
    placed = [(batch.images, batch.labels) for batch in batches]
    return Bare(model, optimizer, engine.config.clip_grad_norm or 1.0, placed, counting)


def _prepare(name: str, images: Path, work: Path) -> PreparedEngine:
    config = load_config(
        "default",
        [
            f"model.name={name}",
            "model.pretrained=false",
            "device=cpu",
            "data.image_size=32",
            f"data.batch_size={_BATCH}",
            "data.workers=0",
            "precision=fp32",
            "memory_format=contiguous",
            "phases.head.epochs=0",
            f"data.root={images}",
        ],
    )
    plan = plan_data(images, SplitOptions(config.data.val_fraction, config.seed))
    assert plan is not None
    folder = create_run(work, config.name, 0.0)
    # Send the events to a listener, as in the app.
    emitter = Emitter()
    emitter.subscribe()
    return prepare_engine(config, plan, folder, emitter, CommandQueue())


if __name__ == "__main__":
    sys.exit(main(options_parser(__doc__), measure))
