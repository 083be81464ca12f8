"""This program's contenders: a recipe, its earlier defaults, and the notebook's recipe.

All run the real command line without interface. Phase full has as many epochs as those of the
others, without early stopping; number format and memory layout are not chosen by measurement.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.common.nested import flatten
from core.config.load import load_config
from core.events.journal import JournalReader
from core.events.record import Record
from core.events.types import EpochEnded, PhaseStarted
from tests.benchmarks.accuracy.task import Meter, Outcome, Task
from tests.benchmarks.program import Run

_NEVER = 1_000_000

# The defaults of version 0.1, key by key, so that they stay what they were. A key that is new since
# then gets the value that changes nothing.
PREVIOUS: dict[str, object] = {
    "clip_grad_norm": 1.0,
    "nonfinite": "skip",
    "nonfinite_limit": 10,
    "data.batch_size": 64,
    "data.micro_batch_size": None,
    "data.balance": "none",
    "data.decode_once": True,
    "data.crop_pct": "auto",
    "data.augment.preset": "custom",
    "data.augment.min_scale": 0.35,
    "data.augment.hflip": 0.5,
    "data.augment.vflip": 0.0,
    "data.augment.color_jitter": 0.4,
    "data.augment.auto_augment": None,
    "data.augment.erase": 0.0,
    "phases.head.epochs": 15,
    "phases.head.optimizer": "adamw",
    "phases.head.lr": 1e-3,
    "phases.head.weight_decay": 1e-4,
    "phases.head.label_smoothing": 0.0,
    "phases.head.scheduler.kind": "plateau",
    "phases.head.scheduler.factor": 0.5,
    "phases.head.scheduler.patience": 2,
    "phases.head.warmup_epochs": 0.0,
    "phases.head.monitor": "auto",
    "phases.head.early_stopping.patience": 4,
    "phases.head.early_stopping.min_delta": 0.001,
    "phases.head.views": 1,
    "phases.full.epochs": 10,
    "phases.full.optimizer": "adamw",
    "phases.full.lr": 1e-4,
    "phases.full.weight_decay": 1e-4,
    "phases.full.label_smoothing": 0.0,
    "phases.full.scheduler.kind": "plateau",
    "phases.full.scheduler.factor": 0.5,
    "phases.full.scheduler.patience": 1,
    "phases.full.warmup_epochs": 0.0,
    "phases.full.monitor": "auto",
    "phases.full.unfreeze": "all",
    "phases.full.early_stopping.patience": 3,
    "phases.full.early_stopping.min_delta": 0.001,
    "phases.full.mixup": 0.0,
    "phases.full.cutmix": 0.0,
    "phases.full.ema": None,
    "phases.full.layer_decay": 1.0,
}

# One ingredient of a recipe taken away at a time; those that the recipe doesn't have are left out.
ABLATIONS: dict[str, tuple[str, ...]] = {
    "no head phase": ("phases.head.epochs=0",),
    "lr 1e-4": ("phases.full.lr=1e-4",),
    "no warm-up": ("phases.full.warmup_epochs=0",),
    "plateau": ("phases.full.scheduler.kind=plateau",),
    "no layer decay": ("phases.full.layer_decay=1",),
    "weight decay 1e-4": ("phases.full.weight_decay=1e-4",),
    "no label smoothing": ("phases.full.label_smoothing=0",),
    "no EMA": ("phases.full.ema=null",),
    "no mixup": ("phases.full.mixup=0", "phases.full.cutmix=0"),
    "crops from 0.35": ("data.augment.min_scale=0.35",),
    "no color jitter": ("data.augment.color_jitter=0",),
    "no auto-augment": ("data.augment.auto_augment=null",),
    "no erasing": ("data.augment.erase=0",),
    "crop of the weights": ("data.crop_pct=auto",),
    "head of 15 epochs": ("phases.head.epochs=15",),
    "no clipping": ("clip_grad_norm=null",),
}


@dataclass(frozen=True)
class Own:
    """A recipe of this program."""

    label: str
    preset: str = "default"
    """A preset or a YAML file."""
    values: dict[str, object] = field(default_factory=dict)
    """On top of the preset, below what is equal for all contenders."""
    overrides: tuple[str, ...] = ()
    """`KEY=VALUE` texts, on top of everything."""

    def settings(self, task: Task) -> dict[str, object]:
        """Return everything that is set on the command line."""
        given = dict(text.split("=", 1) for text in self.overrides)
        return {**self.values, **_common(task), **given}

    def digest(self, task: Task) -> str:
        """Return a hash of the resolved recipe: defaults change with the program."""
        overridden = {text.partition("=")[0] for text in self.overrides}
        set_here = {k: v for k, v in self.settings(task).items() if k not in overridden}
        values = flatten(load_config(self.preset, self.overrides, set_here).model_dump())
        kept = {key: values[key] for key in sorted(values.keys() - _ELSEWHERE)}
        return hashlib.sha256(json.dumps(kept).encode()).hexdigest()[:12]

    def train(self, task: Task, work: Path) -> Outcome:
        """Train, and measure the process until its last epoch has ended."""
        run = Run(self.settings(task), work, preset=self.preset, **task.environment())
        meter = Meter(run.process.pid)
        try:
            for record in _followed(run):
                if isinstance(record.event, PhaseStarted):
                    meter.phase_started(record.event.phase, record.time)
                elif isinstance(record.event, EpochEnded):
                    meter.epoch_ended(record.event.val_top1, record.time)
        except BaseException:
            run.stop()
            raise
        run.finish()
        return meter.outcome


# Keys that results name or that don't change the accuracy.
_ELSEWHERE = {"name", "seed", "data.root", "model.weights", "phases.full.epochs"}


def _common(task: Task) -> dict[str, object]:
    values: dict[str, object] = {
        "seed": task.seed,
        "data.root": task.data,
        "data.image_size": task.image_size,
        "data.batch_size": task.batch_size,
        "precision": "fp32",
        "memory_format": "contiguous",
        "model.name": task.model,
        "model.pretrained": False,
        "phases.full.epochs": task.epochs,
        "phases.full.early_stopping.patience": _NEVER,
    }
    return values | ({"model.weights": task.weights} if task.weights else {})


def _followed(run: Run) -> Iterator[Record]:
    """Yield the run's records as they are written, until its process has ended."""
    reader = None
    over = False
    while not over:
        # Not waited for: the CPU time of an ended process remains readable until then.
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        over = os.waitid(os.P_PID, run.process.pid, flags) is not None
        if reader is None and (folder := run.folder):
            reader = JournalReader(folder.journal)
        yield from reader.read() if reader else ()
        if not over:
            time.sleep(0.1)
