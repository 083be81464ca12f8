"""Scenes of the app: all screens, tabs and dialogs, over scripted runs."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from core.queue import changes
from core.queue.state import JobState, QueueState
from core.queue.store import Queue
from core.run.folder import RunFolder
from core.run.notes import update_notes
from core.run.saved_evaluations import save_evaluation
from core.study.definition import FOLDS, SEEDS
from tests.core.test_check import photo
from tests.tui import classes, scripted
from tests.tui.disk import some_runs, write_run
from tests.tui.kit import NOWHERE, make_app
from tests.tui.scripted import Script
from tests.tui.studies import planned, sweep
from tui.app import ConvNextApp

Step = str | Callable[[ConvNextApp], object]
"""A key, or a function that changes the app."""
_RUNS = Path("runs")


@dataclass(frozen=True, slots=True)
class Scene:
    """An app and the steps that lead to a screen.

    Apps are created in an empty working directory, so that paths on the screen are reproducible.
    """

    name: str
    make: Callable[[], ConvNextApp]
    steps: tuple[Step, ...] = ()


def _run(name: str, script: Callable[[], Script], *steps: Step, live: bool = True) -> Scene:
    def make() -> ConvNextApp:
        written = script()
        return make_app(written.source(live=live), now=written.time + 200)

    return Scene(name, make, steps)


def _list(name: str, *steps: Step) -> Scene:
    def make() -> ConvNextApp:
        some_runs(_RUNS)
        other = Script("with a lower rate", seed=2).prepare().head(4).phase("full")
        other.epoch("full", 1, 0.09, 0.9962, best=True).epoch("full", 2, 0.05, 0.9971)
        write_run(_RUNS, "20261124-113000-other", other.records)
        notes = _RUNS / "20261124-110000-failed" / "notes.yaml"
        update_notes(notes, starred=True, tags=("baseline", "small"), note="with the old labels")
        return make_app(runs_dir=_RUNS)

    return Scene(name, make, steps)


def _studies(name: str, *steps: Step, query: str = "") -> Scene:
    """Return a list of studies of each kind, and of those with problems; `query` filters it."""

    def make() -> ConvNextApp:
        some_runs(_RUNS)
        start = scripted.START
        planned(_RUNS, SEEDS, (0.91, 0.93, 0.92, 0.925, 0.935), created=start)
        planned(_RUNS, SEEDS, (0.90, 0.92, 0.913, 0.916, 0.925), created=start + 60, name="mixup")
        planned(_RUNS, FOLDS, (0.88, 0.92, 0.9), created=start + 120, name="animals",
                classes=classes.ANIMALS[:8])  # fmt: skip
        planned(_RUNS, SEEDS, (None, None), created=start + 180, name="empty")
        planned(_RUNS, SEEDS, (0.1, 0.2), {1: "failed", 2: "failed"}, created=start + 240,
                name="broken")  # fmt: skip
        damaged = planned(_RUNS, SEEDS, (0.8, None), created=start + 300, name="damaged")
        damaged.definition.write_text("kind: [")
        sweep(_RUNS, trials=20, run=15, created=start + 360)
        return make_app(runs_dir=_RUNS)

    return Scene(name, make, ("/", *query, "enter", *steps) if query else steps)


def _none(name: str, *steps: Step) -> Scene:
    return Scene(name, lambda: make_app(runs_dir=NOWHERE), steps)


def _with_images(name: str, *steps: Step) -> Scene:
    def make() -> ConvNextApp:
        script = classes.with_images(Path())
        return make_app(script.source(), runs_dir=_RUNS, now=script.time + 200)

    return Scene(name, make, ("3", *steps))


def _replayed(name: str, seconds: float) -> Scene:
    """Return a replay, `seconds` after its start."""
    clock = [scripted.START]

    def set_clock(app: ConvNextApp) -> None:
        app.clock = lambda: clock[0]
        clock[0] = scripted.START

    def advance(app: ConvNextApp) -> None:
        clock[0] += seconds

    return _list(name, set_clock, "v", advance)


def _photos(name: str, *steps: Step) -> Scene:
    """Return an app in a directory with an image folder: unbalanced classes and a duplicate."""

    def make() -> ConvNextApp:
        for first, (label, count) in enumerate((("cats", 60), ("dogs", 24), ("zebras", 5))):
            for number in range(count):
                file = Path("photos", label, f"{number:02d}.png")
                file.parent.mkdir(parents=True, exist_ok=True)
                photo(100 * first + number, 16).save(file)
        photo(0, 16).save("photos/zebras/a cat.png")
        Path("photos/dogs/damaged.png").write_text("x")
        return make_app(runs_dir=NOWHERE)

    return Scene(name, make, steps)


def _queue(name: str, *steps: Step) -> Scene:
    """Return the queue with a job of each kind, without a worker."""

    def make() -> ConvNextApp:
        queue = Queue(_RUNS)
        for options in (
            ("--data", "photos/birds", "--config", "large", "--gpus", "2"),
            ("--demo", "--set", "phases.head.lr=0.1"),
            ("--data", "photos/birds", "--seeds", "5", "--name", "birds, [red] five seeds"),
            ("--data", "photos/flowers", "--seed", "3", "--set", "data.batch_size=512"),
            ("--resume", "20261124-120000-done"),
        ):
            queue.change(partial(changes.add, arguments=options, folder="/work", now=0.0))
        no_space = "no space left on the disk: /data/runs/animals20"
        for number, result, reason in ((1, "finished", ""), (2, "failed", no_space)):
            start = scripted.START + 60.0 * number
            queue.change(partial(_ended, number=number, result=result, reason=reason, now=start))
        return make_app(runs_dir=_RUNS)

    return Scene(name, make, ("w", *steps))


def _ended(state: QueueState, number: int, result: JobState, reason: str, now: float) -> QueueState:
    state = changes.claim(state, number, "node7", "1", "running")
    state = changes.begin(state, number, 1, "node7", now) or state
    return changes.end(state, number, result, reason, "", now + 42)


def _save_evaluation(app: ConvNextApp) -> None:
    content = {
        "top1": 0.9538,
        "top5": 0.998,
        "macro_f1": 0.9521,
        "ece": 0.021,
        "loss": 0.1407,
        "checkpoint": "best",
        "data": {"root": "photos", "part": "test", "pictures": 897},
        "intervals": {"top1": [0.94, 0.9667], "loss": [0.11, 0.17]},
        "per_class": [
            {"name": "zebras", "support": 44, "precision": 0.9, "recall": 0.82, "f1": 0.8582},
            {"name": "cats [red]", "support": 45, "precision": 0.96, "recall": 1.0, "f1": 0.98},
        ],
        "confused_pairs": [{"names": ["zebras", "cats [red]"], "share": 0.18, "count": 8}],
    }
    path = save_evaluation(RunFolder(_RUNS / "20261124-120000-done"), content, scripted.START)
    os.utime(path, (scripted.START, scripted.START))


SCENES = (
    _none("list-empty"),
    _list("list", "down", "down", "space", "up", "space"),
    _list("list-filtered", "/", *"status:failed"),
    _none("queue-empty", "w"),
    _queue("queue", "down", "K"),
    _none("new-run", "n", "f5"),
    _photos("new-run-looked", "n", *"photos"),
    _photos("check", "n", *"photos", "f4"),
    _run("preparing", scripted.preparing),
    _run("head", lambda: Script().prepare().gpu().phase("head").epoch("head", 1, 0.9, 0.5)),
    _run("full", scripted.running),
    _run("ranks", scripted.ranks),
    _run("paused", scripted.paused),
    _run("finished", scripted.finished, live=False),
    _run("failed", scripted.failed, live=False),
    _run("interrupted", scripted.running, live=False),
    _run("nan", scripted.with_nan),
    _run("charts-one", scripted.running, "c", "c"),
    _run("charts-all", classes.animals, "g", "g"),
    _run("charts-read", scripted.running, "a", "w", "+", "[", "["),
    _run("classes", classes.animals, "2"),
    _run("confusion", classes.animals, "2", "v"),
    _run("calibration", classes.animals, "2", "v", "v"),
    _with_images("mistakes", "down"),
    _run("config", classes.animals, "4"),
    _run("log", scripted.failed, "5", live=False),
    _list("evaluation", _save_evaluation, "enter", "6"),
    _list("compare", "c"),
    _list("compare-table", "c", "g", "g"),
    _studies("studies", *["down"] * 12, "o", "space", "down", "space"),
    _studies("study-seeds", "left", "enter", query="flowers"),
    _studies("study-sweep", "left", "enter", "2", "down", query="search"),
    _studies("study-importance", "left", "enter", "4", query="search"),
    _studies("study-folds", "left", "enter", "2", query="animals-fold"),
    _studies("study-failed", "left", "enter", query="broken"),
    _studies("compare-studies", *["left", "space"], "down", *["left", "space"], "c",
             query="status:finished seed -damaged"),
    _replayed("replay", seconds=7),
    _run("patience", scripted.running, "p", "8"),
    _run("rate", scripted.running, "L", "9"),
    _run("quit", scripted.running, "q"),
    _list("tags", "down", "down", "t"),
    _list("delete", "down", "down", "d"),
    _run("help", scripted.running, "f1"),
    _run("palette", scripted.running, "ctrl+p", "p"),
)  # fmt: skip
