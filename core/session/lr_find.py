"""Find a learning rate for a phase with a range test, which leaves no files behind.

Torch is imported in here, as for a run.
"""

import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.analysis.lr_range import (
    RangeCurve,
    RangeTestFailed,
    Suggestion,
    rising_rates,
    rounded,
    suggest,
)
from core.common import format as fmt
from core.common.cpu import uses_workers
from core.common.errors import SetupError
from core.common.text import printable
from core.config.load import ConfigError, with_values
from core.config.phases import HEAD
from core.config.schema import Config
from core.data.loading.forkserver import start_forkserver
from core.events.commands import CommandQueue
from core.events.emitter import Emit, Emitter
from core.events.types import Preparing
from core.run.folder import RunFolder
from core.session import preflight
from core.session.process_state import restored_process_state
from core.session.run_setup import RunSetup

if TYPE_CHECKING:
    from core.inference.trained_run import TrainedRun
    from core.training.engine import Engine
    from core.training.setup import PreparedEngine

QUICK_HEAD_EPOCHS = 5
"""Epochs of the classifier head before a test of phase full."""
STAGE = "learning rate range test"
_MANY_PASSES = 5
_NO_FOLDER = RunFolder(Path(os.devnull))
"""Nothing can be created in it."""


@dataclass(frozen=True, slots=True)
class LrRangeTest:
    """Result of a learning rate range test."""

    phase: str
    start: str
    """The weights that the test started from, as text."""
    configured: float
    """The learning rate of the phase in the configuration."""
    curve: RangeCurve
    suggestion: Suggestion
    batch_size: int
    train_images: int
    seed: int

    @property
    def key(self) -> str:
        """The config key of the learning rate."""
        return f"phases.{self.phase}.lr"

    @property
    def option(self) -> str | None:
        """The option that uses the suggested rate; None without one."""
        rate = self.suggestion.rate
        return None if rate is None else f"--set {self.key}={rounded(rate)}"

    @property
    def note(self) -> str:
        """A note on few images, if that is so."""
        passes = len(self.curve.losses) * self.batch_size / self.train_images
        if passes < _MANY_PASSES:
            return ""
        return (
            f"the test used each of {fmt.counted(self.train_images, 'training image')} about "
            f"{passes:.0f} times: the loss also falls because they repeat; fewer --steps help"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all results as plain values."""
        found = self.suggestion
        return {
            "phase": self.phase,
            "suggested": None if found.rate is None else float(rounded(found.rate)),
            "reason": found.reason,
            "steepest": found.steepest,
            "minimum_tenth": found.tenth,
            "configured": self.configured,
            "key": self.key,
            "option": self.option,
            "start": self.start,
            "end": self.curve.end,
            "note": self.note,
            "batch_size": self.batch_size,
            "train_images": self.train_images,
            "seed": self.seed,
            "lr": self.curve.rates,
            "loss": self.curve.losses,
            "smoothed": self.curve.smoothed,
        }

    @classmethod
    def from_dict(cls, tree: dict[str, Any]) -> "LrRangeTest":
        """Return the result of which `to_dict` has returned the values."""
        curve = RangeCurve(tree["lr"])
        curve.losses, curve.smoothed, curve.end = tree["loss"], tree["smoothed"], tree["end"]
        return cls(
            phase=tree["phase"],
            start=tree["start"],
            configured=tree["configured"],
            curve=curve,
            suggestion=Suggestion(
                tree["suggested"], tree["steepest"], tree["minimum_tenth"], tree["reason"]
            ),
            batch_size=tree["batch_size"],
            train_images=tree["train_images"],
            seed=tree["seed"],
        )


def tested_phase(config: Config, phase: str | None) -> str:
    """Return the phase to test, by default the first one; raises ConfigError if it is skipped."""
    planned = config.phases.left()
    if phase is None:
        return planned[0]
    if phase not in planned:
        raise ConfigError(
            f"phases.{phase}.epochs is 0, so phase {phase} is skipped: set its epochs, or test "
            f"phase {planned[0]}"
        )
    return phase


def find_lr(
    config: Config,
    phase: str | None = None,
    *,
    steps: int = 100,
    min_lr: float = 1e-6,
    max_lr: float = 10.0,
    start: RunFolder | None = None,
    on_event: Emit = lambda event: None,
) -> LrRangeTest:
    """Test a phase with `steps` learning rates from `min_lr` to `max_lr`.

    Phase head starts from a new classifier, phase full from the weights of the run `start`, or from
    a classifier that was trained for QUICK_HEAD_EPOCHS. Nothing is written except caches. The same
    configuration gives the same result on the same machine. Raises SetupError, and RangeTestFailed
    if training fails.
    """
    preflight.check(config)
    phase = tested_phase(config, phase)
    if not min_lr < max_lr:
        low, high = fmt.rate(min_lr), fmt.rate(max_lr)
        raise SetupError(f"--min-lr {low} is not below --max-lr {high}")
    if start is not None and phase == HEAD:
        raise SetupError(
            "--from is for phase full: phase head starts from a new classifier, as in a run"
        )
    emitter = Emitter()
    emitter.add_callback(on_event)
    emitter.close()  # there is no journal that would need past events
    with restored_process_state():
        trained = _load(start, config) if start is not None else None
        prepared = _Setup(_needed(config, phase, trained), emitter).prepare(trained)
        try:
            return _test(prepared.engine, phase, rising_rates(min_lr, max_lr, steps), trained)
        finally:
            prepared.close()


class _Setup(RunSetup):
    """Prepares an engine that writes no files."""

    def __init__(self, config: Config, emitter: Emitter) -> None:
        super().__init__(
            config, _NO_FOLDER, emitter, CommandQueue(), lambda: False, lambda folder: None
        )

    def prepare(self, trained: "TrainedRun | None") -> "PreparedEngine":
        """Return the engine; raises SetupError for images that do not fit the run `trained`."""
        if uses_workers(self._config.data.workers):
            start_forkserver()
        self._draw_demo()
        plan = self._plan()
        assert plan is not None, "no stop was requested"
        if trained is not None and tuple(plan.classes) != trained.classes:
            raise SetupError(
                f"the classes of {printable(str(plan.root))} differ from those of run "
                f"{printable(trained.folder.id)}: omit --from"
            )
        self._emit_data_ready(plan)
        self._before_torch()
        from core.training.setup import prepare_engine

        return prepare_engine(self._config, plan, None, self._emitter, self._command_queue)


def _load(start: RunFolder, config: Config) -> "TrainedRun":
    """Return a run's model at the start of phase full, or else its best one."""
    from core.inference.trained_run import load_run

    has_head = (start.checkpoints / "best-head.pt").is_file()
    trained = load_run(start.path, "best-head" if has_head else "best")
    if trained.config.model.name != config.model.name:
        raise SetupError(
            f"run {printable(start.id)} has model {printable(trained.config.model.name)}, the "
            f"configuration {printable(config.model.name)}: omit --from, or set model.name"
        )
    return trained


def _needed(config: Config, phase: str, trained: "TrainedRun | None") -> Config:
    """Return the configuration without what only a whole run needs."""
    values: dict[str, Any] = {"compile": False}
    if phase == HEAD:
        values["phases.full.epochs"] = 0
    if trained is not None:
        values |= {"phases.head.epochs": 0, "model.pretrained": False, "model.weights": None}
    return with_values(config, values)


def _test(
    engine: "Engine", phase: str, rates: list[float], trained: "TrainedRun | None"
) -> LrRangeTest:
    from core.data.loading.dataset import LoaderError
    from core.training.lr_range_test import restored_weights

    curve = RangeCurve(rates)
    try:
        with restored_weights(engine.model):
            start = _start(engine, phase, trained)
            _train(engine, phase, curve)
    except LoaderError as error:
        # The message of a run also says how to resume it.
        raise RangeTestFailed(str(error).partition("; resume the run")[0]) from None
    if not curve.losses:
        raise RangeTestFailed(
            f"the loss is not finite in the first step, at learning rate {fmt.rate(rates[0])}: "
            "check the initial weights, or set precision=fp32"
        )
    return LrRangeTest(
        phase=phase,
        start=start,
        configured=engine.config.phases.get(phase).lr,
        curve=curve,
        suggestion=suggest(curve),
        batch_size=engine.config.data.step_images,
        train_images=len(engine.phase_inputs[phase].train.dataset),
        seed=engine.config.seed,
    )


def _train(engine: "Engine", phase: str, curve: RangeCurve) -> None:
    """Train until the curve has all its losses, or ends early."""
    from core.training.lr_range_test import losses_at

    with closing(losses_at(engine, phase, curve.planned)) as losses:
        for loss in losses:
            continues = curve.add(loss)
            done, total = len(curve.losses), len(curve.planned)
            engine.emit(Preparing(stage=STAGE, done=done, total=total))
            if not continues:
                return


def _start(engine: "Engine", phase: str, trained: "TrainedRun | None") -> str:
    """Bring the model to the start of the phase; returns where it starts, as text."""
    from core.training.lr_range_test import train_head

    if phase == HEAD:
        return "a new classifier"
    if trained is not None:
        engine.model.load_state_dict(trained.model.state_dict())
        return f"run {trained}"
    planned = engine.config.phases.head.epochs
    if not planned:
        return "the initial weights, as phase head is skipped"
    epochs = min(planned, QUICK_HEAD_EPOCHS)
    train_head(engine, epochs)
    return f"a classifier head trained for {fmt.counted(epochs, 'epoch')}"
