"""Train the real engine on small images in the thread of the test."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.config.load import load_config
from core.config.schema import Config
from core.data.assign import SplitOptions
from core.data.split import plan_data
from core.events.commands import CommandQueue
from core.events.emitter import Emitter
from core.events.types import Event, RunEnded
from core.run.folder import RunFolder, create_run
from core.training.command_handler import PhaseEnd
from core.training.engine import Engine
from core.training.metrics import PassResult
from core.training.setup import prepare_engine
from core.training.train_state import TrainState
from tests.tui.command import PLAIN

SMALL = (
    "model.name=test_convnext",
    "model.pretrained=false",
    "data.image_size=32",
    "data.batch_size=8",
    "data.workers=0",
    "precision=fp32",
    "memory_format=contiguous",
    "phases.head.views=0",
    "phases.head.epochs=2",
    "phases.full.epochs=2",
    *PLAIN,
)
# The images are too small for a second thread to be of use.
torch.set_num_threads(1)

OnEvent = Callable[[Event, Engine, Callable[[Any], None]], None]


@dataclass
class Trained:
    """A finished run."""

    events: list[Event]
    folder: RunFolder
    engine: Engine
    ended: RunEnded

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def weights(self, name: str) -> dict[str, Tensor]:
        return load(self.folder.checkpoints / name)["model"]


def load(path: Path) -> dict[str, Any]:
    return torch.load(path, weights_only=True)


def small_config(root: Path, *overrides: str, preset: str = "default") -> Config:
    return load_config(preset, [*SMALL, f"data.root={root}", *overrides])


def train(
    config: Config,
    runs_dir: Path,
    on_event: OnEvent | None = None,
    val_results: Sequence[PassResult] = (),
    change_engine: Callable[[Engine], object] = lambda engine: None,
) -> Trained:
    """Train to the end.

    `on_event` is called with every event in the engine's thread, and may send commands;
    `val_results` replace those of the validation passes; `change_engine` is called before training.
    """
    events: list[Event] = []
    command_queue = CommandQueue()
    engine: list[Engine] = []

    def receive(event: Event) -> None:
        events.append(event)
        if on_event and engine:
            on_event(event, engine[0], command_queue.send)

    keep, data = config.cache.max_gb > 0, config.data
    plan = plan_data(
        Path(data.root or ""), SplitOptions(data.val_fraction, config.seed), use_cache=keep
    )
    assert plan is not None
    folder = create_run(runs_dir, config.name, 0.0)
    emitter = Emitter()
    emitter.add_callback(receive)
    prepared = prepare_engine(config, plan, folder, emitter, command_queue)
    engine.append(prepared.engine)
    change_engine(prepared.engine)
    if val_results:
        _script_validation(prepared.engine, val_results)
    try:
        ended = prepared.fit()
    finally:
        prepared.close()
    return Trained(events, folder, prepared.engine, ended)


def scores(*top1: float) -> list[PassResult]:
    """Return validation results with these accuracies; the loss falls as the accuracy rises."""
    return [PassResult(loss=2.0 - value, top1=value, top5=1.0, count=10) for value in top1]


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """Return whether two state dicts have equal tensors."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def _script_validation(engine: Engine, results: Sequence[PassResult]) -> None:
    remaining = iter(results)

    def validate(state: TrainState) -> tuple[PassResult, PhaseEnd | None]:
        return next(remaining), None

    engine.validate = validate  # type: ignore[method-assign]
