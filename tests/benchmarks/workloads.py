"""Trainings without end, to measure the programs that watch them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.common import Options, image_folder, say
from tests.benchmarks.program import Run, Settings, known, speed, to_the_last_epoch, trains
from tests.benchmarks.screen import Size
from tests.make_images import make_images

LAUNCH_BOUND_SECONDS = 2.5e-3
_ENDLESS = 100_000
_TRY_SECONDS = 4.0


@dataclass(frozen=True)
class Training:
    """A training and its additional environment variables."""

    settings: Settings
    changes: Mapping[str, str] = field(default_factory=dict)

    def begin(
        self, work: Path, size: Size | None = None, options: Iterable[str] = (), **changes: str
    ) -> Run:
        """Start it, headless or with the app."""
        return Run(self.settings, work, size, options=options, **{**self.changes, **changes})


def real(options: Options, work: Path) -> Training:
    """Return a training of a small ConvNeXt: steps of a tenth of a second or so on two cores."""
    quick = options.quick
    settings = {
        "data.root": image_folder(options.data, work / "real", limit=20 if quick else 0),
        "data.image_size": 64,
        "data.batch_size": 32,
        "model.name": "test_convnext" if quick else "convnext_atto",
        "model.pretrained": False,
        # Autotuned values may differ between two starts.
        "data.workers": 1,
        "precision": "fp32",
        "memory_format": "contiguous",
        **to_the_last_epoch("full", _ENDLESS),
    }
    if options.weights and not quick:
        settings["model.weights"] = options.weights.resolve()
    return Training(settings)


def launch_bound(work: Path) -> Training:
    """Return a training whose steps take about 2.5 ms, nearly all of it calls instead of math.

    The batch size that comes nearest is found by trying. It has one math thread, so that what
    the app takes is the interpreter, as with a GPU, and not a core that the math waits for.
    """
    root = work / "launch-bound"
    # Long epochs: validation and checkpoints are rare, and not measured.
    make_images(root / "train", classes=4, per_class=2000, size=32, seed=1)
    make_images(root / "val", classes=4, per_class=4, size=32, seed=2)
    common = {
        "data.root": root,
        "data.image_size": 32,
        "data.workers": 0,
        "precision": "fp32",
        "memory_format": "contiguous",
        "data.augment.min_scale": 1.0,
        "data.augment.color_jitter": 0.0,
        "model.name": "test_convnext",
        "model.pretrained": False,
        **to_the_last_epoch("head", _ENDLESS),
        # With cached features there would hardly be a step.
        **known({"phases.head.views": 0}),
    }
    best, found = 0.0, Training(common)
    for size in (1, 2, 4, 8):
        training = Training({**common, "data.batch_size": size}, {"OMP_NUM_THREADS": "1"})
        taken = _step_seconds(training, work / f"try-{size}")
        say(f"launch-bound: batch size {size} takes {1e3 * taken:.2f} ms per step")
        nearness = min(taken, LAUNCH_BOUND_SECONDS) / max(taken, LAUNCH_BOUND_SECONDS)
        if nearness > best:
            best, found = nearness, training
        if taken > LAUNCH_BOUND_SECONDS:
            break
    return found


def _step_seconds(training: Training, work: Path) -> float:
    run = training.begin(work)
    try:
        begin = run.wait_for(trains).time
        run.let_train(1.0 + _TRY_SECONDS)
    finally:
        run.stop()
    return speed(run.records(), begin + 1.0).step_seconds
