import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from core.bookmark import WORTH_BYTES
from core.events import EpochEnded, Event, PhaseStarted, Preparing, Record, RunEnded, RunStarted
from core.journal import JournalReader
from core.runs import RunFolder, RunList, RunLock, RunSummary, create_run, is_locked

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


def test_a_run_gets_a_folder_named_by_time_and_name(tmp_path: Path) -> None:
    folder = create_run(tmp_path / "deep" / "runs", "my [red] Zebras", NOW)
    assert folder.id == "20261105-140211-my-red-Zebras"
    assert folder.checkpoints.is_dir()
    assert list(folder.path.iterdir()) == [folder.checkpoints]


def test_runs_of_the_same_second_and_name_get_different_folders(tmp_path: Path) -> None:
    ids = [create_run(tmp_path, "a", NOW).id for _ in range(3)]
    assert ids == ["20261105-140211-a", "20261105-140211-a-2", "20261105-140211-a-3"]


@pytest.mark.parametrize(
    "place", ["file", "file/below", "x" * 300], ids=lambda name: repr(name)[:20]
)
def test_a_place_where_nothing_can_be_made_is_an_os_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError):
        create_run(tmp_path / place, "a", NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_lock_is_seen_while_it_is_held(tmp_path: Path) -> None:
    folder = create_run(tmp_path, "a", NOW)
    assert not is_locked(folder)
    lock = RunLock(folder)
    assert is_locked(folder)
    owner = json.loads(folder.lock.read_text())
    assert owner["pid"] == os.getpid()
    assert owner.keys() == {"pid", "host", "started"}
    lock.release()
    assert not is_locked(folder)


def test_looking_at_a_lock_does_not_take_it(tmp_path: Path) -> None:
    folder = create_run(tmp_path, "a", NOW)
    RunLock(folder).release()
    assert not is_locked(folder)
    lock = RunLock(folder)
    lock.release()


HOLDER = """
import sys
from pathlib import Path
from core.runs import RunFolder, RunLock
lock = RunLock(RunFolder(Path(sys.argv[1])))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[tuple[RunFolder, subprocess.Popen[bytes]]]:
    folder = make_run(tmp_path, STARTED, HEAD, epoch(1))
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    with child:
        yield folder, child
        child.kill()


def test_a_run_of_another_process_is_running_until_that_is_killed(
    holder: tuple[RunFolder, subprocess.Popen[bytes]],
) -> None:
    folder, child = holder
    runs = RunList(folder.path.parent)
    assert [row.status for row in runs.refresh()] == ["running"]
    with pytest.raises(BlockingIOError):
        RunLock(folder)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not is_locked(folder)
    assert [row.status for row in runs.refresh()] == ["interrupted"]
    RunLock(folder).release()


def test_a_row_tells_of_a_finished_run(tmp_path: Path) -> None:
    folder = make_run(tmp_path, STARTED, HEAD, epoch(1), epoch(2, 0.7, best=False), FINISHED)
    assert only_row(tmp_path) == RunSummary(
        id=folder.id,
        path=str(folder.path),
        name="zebras [red]",
        status="finished",
        reason="both phases are done",
        model="convnext_atto",
        phase="head",
        epochs={"head": 2, "full": 0},
        best_val_top1=0.75,
        best_val_loss=0.5,
        started=NOW + 1,
        seconds=4.0,
        val_losses=[0.5, 0.7],
        config={"model.name": "convnext_atto"},
    )


@pytest.mark.parametrize("lines", ["", "\n", "not json\n", '{"seq": 1'])
def test_a_journal_without_an_event_is_an_interrupted_run(tmp_path: Path, lines: str) -> None:
    folder = make_run(tmp_path)
    folder.journal.write_text(lines)
    row = only_row(tmp_path)
    assert (row.status, row.name) == ("interrupted", folder.id)
    assert (row.started, row.seconds) == (None, None)
    assert row.skipped_lines == (lines == "not json\n")


def test_a_model_that_is_no_mapping_is_no_error(tmp_path: Path) -> None:
    make_run(tmp_path, RunStarted(run_id="x", name="n", config={"model": 3, "phases": [1]}))
    assert only_row(tmp_path).model == ""


def test_rows_are_strict_json_whatever_is_in_them(tmp_path: Path) -> None:
    odd = RunStarted(run_id="x", name="caf\udce9\n", config={})
    losses = [float("nan"), float("inf"), float("-inf"), 0.5]
    epochs = [epoch(number, loss) for number, loss in enumerate(losses[:3], 1)]
    make_run(tmp_path, odd, HEAD, *epochs)
    row = only_row(tmp_path).to_dict()
    parsed = json.loads(json.dumps(row, allow_nan=False))
    assert parsed["val_losses"] == ["nan", "inf", "-inf"]
    assert parsed["best_val_loss"] == "-inf"
    assert parsed["name"] == "caf\udce9\n"


def test_newest_runs_come_first_and_other_folders_are_none(tmp_path: Path) -> None:
    for name in ("20250101-000000-old", "20260101-000000-new", "20260101-000000-new-2"):
        folder = RunFolder(tmp_path / name)
        folder.path.mkdir()
        write(folder, STARTED)
    (tmp_path / "notes").mkdir()
    (tmp_path / "readme.txt").write_text("x")
    names = [row.id for row in RunList(tmp_path).refresh()]
    assert names == ["20260101-000000-new-2", "20260101-000000-new", "20250101-000000-old"]


def test_a_runs_directory_that_is_not_there_has_no_runs(tmp_path: Path) -> None:
    assert RunList(tmp_path / "none").refresh() == []
    (tmp_path / "file").write_text("x")
    assert RunList(tmp_path / "file").refresh() == []


def test_refreshing_reads_only_what_is_new(tmp_path: Path) -> None:
    folder = make_run(tmp_path, STARTED, HEAD, epoch(1))
    runs = RunList(tmp_path)
    assert [row.epochs["head"] for row in runs.refresh()] == [1]
    # What was read already is overwritten: reading it again would lose the first epoch.
    size = folder.journal.stat().st_size
    folder.journal.write_bytes(b"\n" * size)
    write(folder, epoch(2), FINISHED, first=4)
    (row,) = runs.refresh()
    assert (row.epochs["head"], row.status, row.skipped_lines) == (2, "finished", 0)
    assert runs.refresh() == [row]


def test_runs_appear_and_go_between_refreshes(tmp_path: Path) -> None:
    runs = RunList(tmp_path)
    assert runs.refresh() == []
    first, second = make_run(tmp_path, STARTED), make_run(tmp_path, STARTED)
    assert [row.id for row in runs.refresh()] == [second.id, first.id]
    shutil.rmtree(second.path)
    assert [row.id for row in runs.refresh()] == [first.id]


def test_a_run_that_cannot_be_read_is_a_row_that_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path, STARTED, FINISHED, name="good")
    bad = make_run(tmp_path, STARTED, FINISHED, name="bad")
    real_open = Path.open

    def refuse_bad(path: Path, *args: object, **keys: object) -> object:
        if path == bad.journal:
            raise PermissionError(13, "Permission denied")
        return real_open(path, *args, **keys)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refuse_bad)
    rows = {row.name: row for row in RunList(tmp_path).refresh()}
    assert rows["zebras [red]"].status == "finished"
    assert (rows[bad.id].status, rows[bad.id].error) == ("unreadable", "Permission denied")
    json.dumps(rows[bad.id].to_dict(), allow_nan=False)


def test_a_folder_that_cannot_be_looked_into_hides_no_other_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = make_run(tmp_path, STARTED, FINISHED, name="good")
    bad = make_run(tmp_path, STARTED, FINISHED, name="bad")
    real_stat = Path.stat

    def refuse_bad(path: Path, **keys: bool) -> os.stat_result:
        if path.parent == bad.path:
            raise PermissionError(13, "Permission denied")
        return real_stat(path, **keys)

    monkeypatch.setattr(Path, "stat", refuse_bad)
    assert good.id in {row.id for row in RunList(tmp_path).refresh()}


def test_ids_sort_by_time(tmp_path: Path) -> None:
    earlier, later = create_run(tmp_path, "z", NOW), create_run(tmp_path, "a", NOW + 1)
    assert earlier.id < later.id
    assert re.fullmatch(r"\d{8}-\d{6}-z", earlier.id)


LONG = Preparing(stage="x" * WORTH_BYTES)
"""Enough for one process to keep what it has read for the next."""


def rows_by_id(runs_dir: Path) -> dict[str, RunSummary]:
    return {row.id: row for row in RunList(runs_dir).refresh()}


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


def test_a_kept_row_tells_nothing_of_the_engine_or_of_where_the_runs_were(
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


def test_a_deleted_run_is_forgotten_and_its_name_says_nothing_of_a_new_one(tmp_path: Path) -> None:
    folder = make_run(tmp_path, STARTED, HEAD, epoch(1), LONG)
    other = make_run(tmp_path, STARTED, LONG, name="other")
    RunList(tmp_path).refresh()
    shutil.rmtree(folder.path)
    assert [row.id for row in RunList(tmp_path).refresh()] == [other.id]
    folder = make_run(tmp_path, STARTED, FINISHED)
    assert rows_by_id(tmp_path)[folder.id].status == "finished"


def test_a_list_that_is_quickly_read_is_not_kept(tmp_path: Path) -> None:
    folder = make_run(tmp_path, STARTED, HEAD, epoch(1))
    RunList(tmp_path).refresh()
    assert list(tmp_path.iterdir()) == [folder.path]


def test_rows_of_a_list_that_someone_else_has_made_are_shown_safely(tmp_path: Path) -> None:
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
    "spoil",
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
    tmp_path: Path, spoil: Callable[[str], str], journals_read: list[str]
) -> None:
    folder = make_run(tmp_path, STARTED, HEAD, epoch(1), LONG, FINISHED)
    before = RunList(tmp_path).refresh()
    (file,) = (path for path in tmp_path.iterdir() if path != folder.path)
    file.write_text(spoil(file.read_text()))
    journals_read.clear()
    assert RunList(tmp_path).refresh() == before
    assert journals_read == [folder.id]


def test_where_nothing_can_be_written_the_list_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_run(tmp_path, STARTED, HEAD, epoch(1), LONG, FINISHED)
    before = sorted(folder.path.iterdir())

    def refuse(path: Path, text: str) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("core.cache_file.write_text_atomically", refuse)
    assert [row.status for row in RunList(tmp_path).refresh()] == ["finished"]
    assert list(tmp_path.iterdir()) == [folder.path]
    assert sorted(folder.path.iterdir()) == before


def test_a_long_run_that_goes_on_is_read_from_its_bookmark(tmp_path: Path) -> None:
    folder = make_run(tmp_path, STARTED, HEAD, epoch(1), LONG)
    RunList(tmp_path).refresh()
    # What was read already is overwritten, but for its ends.
    text = folder.journal.read_bytes()
    folder.journal.write_bytes(text[:4096] + b" " * (len(text) - 8192) + text[-4096:])
    write(folder, epoch(2), first=5)
    row = only_row(tmp_path)
    assert (row.epochs["head"], row.skipped_lines) == (2, 0)
