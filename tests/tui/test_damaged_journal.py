"""Malformed, truncated and foreign lines in a journal are skipped and counted."""

import json
import random
from collections.abc import Callable
from pathlib import Path

from textual.widgets import DataTable

from core.run.run_list import RunList
from tests.tui import scripted
from tests.tui.disk import write_run
from tests.tui.kit import make_app, press, settle, text
from tui.screens.run import RunScreen

LINES = 200
Damage = Callable[[random.Random, bytes], bytes]


def _truncated(choose: random.Random, line: bytes) -> bytes:
    return line[: choose.randrange(1, len(line) - 1)]


def _bytes(choose: random.Random, line: bytes) -> bytes:
    return bytes(choose.choice([0, 7, 27, 155, 255, *b"{[\\"]) for _ in range(40))


def _foreign(choose: random.Random, line: bytes) -> bytes:
    return json.dumps({"seq": 1, "time": 0.0, "type": "Exploded\x1b[2J"}).encode()


def _wrong_field(choose: random.Random, line: bytes) -> bytes:
    whole = json.loads(line)
    whole[choose.choice([*whole])] = [{"a": [choose.random()]}]
    return json.dumps(whole).encode()


def _deep(choose: random.Random, line: bytes) -> bytes:
    return b"[" * 20_000


KINDS: list[Damage] = [_truncated, _bytes, _foreign, _wrong_field, _deep]


def damage(folder: Path) -> int:
    """Insert malformed lines into a journal; returns their number."""
    journal = folder / "events.jsonl"
    choose = random.Random(8)
    lines = journal.read_bytes().splitlines()
    # Events whose fields are type-checked; a run's configuration may be anything.
    typed = [line for line in lines if b'"Progress"' in line or b'"EpochEnded"' in line]
    for number in range(LINES):
        bad = KINDS[number % len(KINDS)](choose, choose.choice(typed))
        lines.insert(choose.randrange(1, len(lines) + 1), bad)
    journal.write_bytes(b"\n".join(lines) + b"\n")
    return LINES


async def test_two_hundred_malformed_lines_are_skipped_and_counted(tmp_path: Path) -> None:
    folder = write_run(tmp_path, "20261124-120000-bad", scripted.finished().records)
    whole = RunList(tmp_path).refresh()[0]
    count = damage(folder)
    (row,) = RunList(tmp_path).refresh()
    assert (row.skipped_lines, row.status) == (count, "finished")
    assert (row.epochs, row.best_val_top1) == (whole.epochs, whole.best_val_top1)
    async with make_app(runs_dir=tmp_path).run_test(size=(140, 45)) as pilot:
        await pilot.app.workers.wait_for_complete()
        await settle(pilot)
        assert pilot.app.screen.query_one(DataTable).row_count == 1
        assert "200 unreadable lines in its journal" in text(pilot, "#detail")
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, RunScreen)
        assert text(pilot, "#notice").startswith("skipped 200 unreadable lines of the journal")
        assert text(pilot, "#headline").startswith("● ") or "finished" in text(pilot, "#headline")
