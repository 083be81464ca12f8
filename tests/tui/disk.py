"""Runs on the disk, written the way the engine writes them."""

from collections.abc import Iterable
from pathlib import Path

from core.events.journal import JournalWriter
from core.events.record import Record
from tests.tui import scripted


def write_run(runs_dir: Path, id: str, records: Iterable[Record]) -> Path:
    folder = runs_dir / id
    folder.mkdir(parents=True)
    writer = JournalWriter(folder / "events.jsonl")
    for record in records:
        writer.append(record)
    writer.close()
    return folder


def some_runs(runs_dir: Path) -> None:
    """One of each kind; the last one's name holds markup, a control and wide characters."""
    write_run(runs_dir, "20261124-120000-done", scripted.finished().records)
    write_run(runs_dir, "20261124-110000-failed", scripted.failed().records)
    write_run(runs_dir, "20261124-100000-gone", scripted.running().records)
    write_run(runs_dir, "20261124-090000-nan", scripted.with_nan().records)
    write_run(runs_dir, "20261124-080000-odd", scripted.Script(ODD_NAME).prepare().records)
    write_run(runs_dir, "20261124-070000-empty", [])


ODD_NAME = "[red]a\x1b[2J[/] 写真 [x"
