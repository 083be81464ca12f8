import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.events.journal import JournalReader
from core.events.record import Record
from core.run.folder import RunFolder
from core.run.lock import RunLock
from core.run.run_list import RunList
from tests.core.run_kit import (
    FINISHED,
    HEAD,
    LONG,
    STARTED,
    epoch,
    make_run,
    only_row,
    rows_by_id,
    write,
)


@pytest.fixture
def journals_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs whose journals are read from now on."""
    read: list[str] = []
    real_read = JournalReader.read

    def note(reader: JournalReader, limit: int | None = None) -> Iterator[Record]:
        read.append(reader.path.parent.name)
        return real_read(reader, limit)

    monkeypatch.setattr(JournalReader, "read", note)
    return read


def test_the_next_process_reads_only_the_journals_that_have_changed(
    tmp_path: Path, journals_read: list[str]
) -> None:
    nan = epoch(1, float("nan"), best=True)
    first = make_run(tmp_path, STARTED, HEAD, nan, LONG, FINISHED, name="first")
    second = make_run(tmp_path, STARTED, HEAD, epoch(1), name="second")
    before = RunList(tmp_path).refresh()
    journals_read.clear()
    assert repr(RunList(tmp_path).refresh()) == repr(before)
    assert journals_read == []
    write(second, epoch(2), FINISHED, first=4)
    row = rows_by_id(tmp_path)[second.id]
    assert (row.status, row.epochs["head"]) == ("finished", 2)
    assert journals_read == [second.id]
    os.utime(first.journal, ns=(1, 1))
    journals_read.clear()
    RunList(tmp_path).refresh()
    assert sorted(journals_read) == sorted([first.id, second.id])


def test_cached_rows_contain_neither_lock_state_nor_location(
    tmp_path: Path, journals_read: list[str]
) -> None:
    folder = make_run(tmp_path / "runs", STARTED, HEAD, epoch(1), LONG)
    lock = RunLock(folder)
    assert only_row(tmp_path / "runs").status == "running"
    lock.release()
    journals_read.clear()
    assert only_row(tmp_path / "runs").status == "interrupted"
    moved = (tmp_path / "runs").rename(tmp_path / "moved") / folder.id
    lock = RunLock(RunFolder(moved))
    row = only_row(tmp_path / "moved")
    assert (row.status, row.path, row.id) == ("running", str(moved), folder.id)
    assert journals_read == []
    lock.release()


def test_a_deleted_run_is_dropped_and_its_id_can_be_reused(tmp_path: Path) -> None:
    folder = make_run(tmp_path, STARTED, HEAD, epoch(1), LONG)
    other = make_run(tmp_path, STARTED, LONG, name="other")
    RunList(tmp_path).refresh()
    shutil.rmtree(folder.path)
    assert [row.id for row in RunList(tmp_path).refresh()] == [other.id]
    folder = make_run(tmp_path, STARTED, FINISHED)
    assert rows_by_id(tmp_path)[folder.id].status == "finished"


def test_a_list_that_is_fast_to_read_is_not_cached(tmp_path: Path) -> None:
    folder = make_run(tmp_path, STARTED, HEAD, epoch(1))
    RunList(tmp_path).refresh()
    assert list(tmp_path.iterdir()) == [folder.path]


def test_rows_of_a_foreign_cache_file_are_shown_safely(tmp_path: Path) -> None:
    folder = make_run(tmp_path, STARTED, HEAD, epoch(1), LONG, FINISHED)
    RunList(tmp_path).refresh()
    (file,) = (path for path in tmp_path.iterdir() if path != folder.path)
    tree = json.loads(file.read_text())
    row = tree["content"][folder.id]["row"]
    row |= {"status": "\x1b[2J", "started": "inf", "seconds": "nan", "path": "/etc", "id": "x"}
    file.write_text(json.dumps(tree))
    assert only_row(tmp_path).status == "interrupted"
    lock = RunLock(folder)
    shown = only_row(tmp_path)
    lock.release()
    assert (shown.status, shown.path, shown.id) == (r"\x1b[2J", str(folder.path), folder.id)
    json.dumps(shown.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[" * 100_000,
        lambda text: "[]",
        lambda text: text.replace('"made_by":"', '"made_by":"x'),
        lambda text: text.replace('"epochs":{', '"epochs":[{'),
        lambda text: text.replace('"seconds":', '"seconds":"long","_":'),
        lambda text: text.replace('"size":', '"_":'),
    ],
)
def test_a_damaged_list_is_ignored(
    tmp_path: Path, damage: Callable[[str], str], journals_read: list[str]
) -> None:
    folder = make_run(tmp_path, STARTED, HEAD, epoch(1), LONG, FINISHED)
    before = RunList(tmp_path).refresh()
    (file,) = (path for path in tmp_path.iterdir() if path != folder.path)
    file.write_text(damage(file.read_text()))
    journals_read.clear()
    assert RunList(tmp_path).refresh() == before
    assert journals_read == [folder.id]


def test_without_write_permission_the_list_is_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_run(tmp_path, STARTED, HEAD, epoch(1), LONG, FINISHED)
    before = sorted(folder.path.iterdir())

    def refuse(path: Path, text: str) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("core.common.cache_file.write_text_atomically", refuse)
    assert [row.status for row in RunList(tmp_path).refresh()] == ["finished"]
    assert list(tmp_path.iterdir()) == [folder.path]
    assert sorted(folder.path.iterdir()) == before


def test_a_long_running_run_is_read_from_its_snapshot(tmp_path: Path) -> None:
    folder = make_run(tmp_path, STARTED, HEAD, epoch(1), LONG)
    RunList(tmp_path).refresh()
    # Lines that were read are overwritten, except at both ends.
    text = folder.journal.read_bytes()
    folder.journal.write_bytes(text[:4096] + b" " * (len(text) - 8192) + text[-4096:])
    write(folder, epoch(2), first=5)
    row = only_row(tmp_path)
    assert (row.epochs["head"], row.skipped_lines) == (2, 0)
