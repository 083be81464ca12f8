"""Small run folders for tests of the run list."""

from datetime import datetime
from pathlib import Path

from core.events.record import Record
from core.events.types import EpochEnded, Event, PhaseStarted, Preparing, RunEnded, RunStarted
from core.run.folder import RunFolder, create_run
from core.run.run_list import RunList
from core.run.snapshot import MIN_BYTES
from core.run.summary import RunSummary

NOW = datetime(2026, 11, 5, 14, 2, 11).timestamp()
STARTED = RunStarted(run_id="x", name="zebras [red]", config={"model": {"name": "convnext_atto"}})
HEAD = PhaseStarted(
    phase="head",
    epochs=3,
    steps=4,
    val_steps=1,
    global_step=0,
    trainable_parameters=10,
    optimizer="adam",
    lr=1e-3,
    weight_decay=0.0,
    patience=7,
    min_delta=0.001,
    scheduler_factor=0.5,
    scheduler_patience=3,
)
FINISHED = RunEnded(outcome="finished", reason="both phases are done", best_val_top1=0.75)


def epoch(number: int, val_loss: float = 0.5, best: bool = True) -> EpochEnded:
    return EpochEnded(
        phase="head",
        epoch=number,
        global_step=number,
        train_loss=0.5,
        train_top1=0.5,
        val_loss=val_loss,
        val_top1=0.75,
        val_top5=1.0,
        lr=1e-3,
        next_lr=1e-3,
        seconds=1.0,
        best=best,
        phase_best=best,
        patience=7,
        min_delta=0.001,
        bad_epochs=0,
        monitor_best=0.5,
    )


def write(folder: RunFolder, *events: Event, first: int = 1) -> None:
    with folder.journal.open("a") as file:
        for seq, event in enumerate(events, first):
            file.write(Record(seq, NOW + seq, event).to_json() + "\n")


def make_run(runs_dir: Path, *events: Event, name: str = "run") -> RunFolder:
    folder = create_run(runs_dir, name, NOW)
    write(folder, *events)
    return folder


def only_row(runs_dir: Path) -> RunSummary:
    (row,) = RunList(runs_dir).refresh()
    return row


def rows_by_id(runs_dir: Path) -> dict[str, RunSummary]:
    return {row.id: row for row in RunList(runs_dir).refresh()}


LONG = Preparing(stage="x" * MIN_BYTES)
"""An event large enough for a process to cache the journal it has read."""
