import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.events.types import RunStarted
from core.run.find import find_run
from core.run.folder import RunFolder, create_run
from core.run.lock import RunLock, is_locked
from core.run.run_list import RunList
from core.run.summary import RunSummary
from tests.core.run_kit import FINISHED, HEAD, NOW, STARTED, epoch, make_run, only_row, write


def test_a_run_gets_a_folder_named_by_time_and_name(tmp_path: Path) -> None:
    folder = create_run(tmp_path / "deep" / "runs", "my [red] Zebras", NOW)
    assert folder.id == "20261105-140211-my-red-Zebras"
    assert folder.checkpoints.is_dir()
    assert list(folder.path.iterdir()) == [folder.checkpoints]


def test_runs_with_equal_second_and_name_get_different_folders(tmp_path: Path) -> None:
    ids = [create_run(tmp_path, "a", NOW).id for _ in range(3)]
    assert ids == ["20261105-140211-a", "20261105-140211-a-2", "20261105-140211-a-3"]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("写真 2024", "写真-2024"),
        ("Мои птицы/тест", "Мои-птицы-тест"),
        ("Übung für Äpfel", "Ubung-fur-Apfel"),
        ("สัตว์", "สัตว์"),
        ("🦁", "run"),
        ("猫" * 100, "猫" * 20),
    ],
)
def test_the_folder_keeps_a_name_readable_in_every_script(
    name: str, part: str, tmp_path: Path
) -> None:
    folder = create_run(tmp_path, name, NOW)
    assert folder.id == f"20261105-140211-{part}"
    assert create_run(tmp_path, name, NOW).id == f"{folder.id}-2"
    assert len(os.fsencode(folder.id)) < 140


@pytest.mark.parametrize(
    "error",
    [UnicodeEncodeError("latin-1", "猫", 0, 1, "x"), OSError(errno.EINVAL, "Invalid argument")],
    ids=["locale", "file system"],
)
def test_without_support_for_other_scripts_the_folder_is_ascii(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = Path.mkdir

    def ascii_only(path: Path, *arguments: Any, **options: Any) -> None:
        if not path.name.isascii():
            raise error
        mkdir(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", ascii_only)
        assert create_run(tmp_path, "猫 2", NOW).id == "20261105-140211-2"


def test_an_id_is_found_however_its_letters_are_composed(tmp_path: Path) -> None:
    for name in ("が", "ほか"):
        create_run(tmp_path, name, NOW).journal.touch()
    typed = unicodedata.normalize("NFD", "20261105-140211-が")
    assert find_run(tmp_path, typed).id == "20261105-140211-が"


@pytest.mark.parametrize(
    "name", ["file", "file/below", "x" * 300], ids=lambda text: repr(text)[:20]
)
def test_a_directory_that_cannot_be_created_is_an_os_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError):
        create_run(tmp_path / name, "a", NOW)
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


def test_testing_a_lock_does_not_take_it(tmp_path: Path) -> None:
    folder = create_run(tmp_path, "a", NOW)
    RunLock(folder).release()
    assert not is_locked(folder)
    lock = RunLock(folder)
    lock.release()


HOLDER = """
import sys
from pathlib import Path
from core.run.folder import RunFolder
from core.run.lock import RunLock
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


def test_a_run_of_another_process_is_running_until_the_process_is_killed(
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


def test_the_row_of_a_finished_run(tmp_path: Path) -> None:
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
        best_values={
            "train_loss": 0.5,
            "val_loss": 0.5,
            "train_top1": 0.5,
            "val_top1": 0.75,
            "val_top5": 1.0,
        },
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


def test_a_recorded_model_that_is_not_a_mapping_is_not_an_error(tmp_path: Path) -> None:
    make_run(tmp_path, RunStarted(run_id="x", name="n", config={"model": 3, "phases": [1]}))
    assert only_row(tmp_path).model == ""


def test_rows_are_strict_json_for_any_content(tmp_path: Path) -> None:
    odd = RunStarted(run_id="x", name="caf\udce9\n", config={})
    losses = [float("nan"), float("inf"), float("-inf"), 0.5]
    epochs = [epoch(number, loss) for number, loss in enumerate(losses[:3], 1)]
    make_run(tmp_path, odd, HEAD, *epochs)
    row = only_row(tmp_path).to_dict()
    parsed = json.loads(json.dumps(row, allow_nan=False))
    assert parsed["val_losses"] == ["nan", "inf", "-inf"]
    assert parsed["best_val_loss"] == "-inf"
    assert parsed["name"] == "caf\udce9\n"


def test_newest_runs_come_first_and_other_folders_are_skipped(tmp_path: Path) -> None:
    for name in ("20250101-000000-old", "20260101-000000-new", "20260101-000000-new-2"):
        folder = RunFolder(tmp_path / name)
        folder.path.mkdir()
        write(folder, STARTED)
    (tmp_path / "notes").mkdir()
    (tmp_path / "readme.txt").write_text("x")
    names = [row.id for row in RunList(tmp_path).refresh()]
    assert names == ["20260101-000000-new-2", "20260101-000000-new", "20250101-000000-old"]


def test_a_missing_runs_directory_has_no_runs(tmp_path: Path) -> None:
    assert RunList(tmp_path / "none").refresh() == []
    (tmp_path / "file").write_text("x")
    assert RunList(tmp_path / "file").refresh() == []


def test_refreshing_reads_only_new_records(tmp_path: Path) -> None:
    folder = make_run(tmp_path, STARTED, HEAD, epoch(1))
    runs = RunList(tmp_path)
    assert [row.epochs["head"] for row in runs.refresh()] == [1]
    # Lines that were read are overwritten: reading it again would lose the first epoch.
    size = folder.journal.stat().st_size
    folder.journal.write_bytes(b"\n" * size)
    write(folder, epoch(2), FINISHED, first=4)
    (row,) = runs.refresh()
    assert (row.epochs["head"], row.status, row.skipped_lines) == (2, "finished", 0)
    assert runs.refresh() == [row]


def test_runs_appear_and_disappear_between_refreshes(tmp_path: Path) -> None:
    runs = RunList(tmp_path)
    assert runs.refresh() == []
    first, second = make_run(tmp_path, STARTED), make_run(tmp_path, STARTED)
    assert [row.id for row in runs.refresh()] == [second.id, first.id]
    shutil.rmtree(second.path)
    assert [row.id for row in runs.refresh()] == [first.id]


def test_an_unreadable_run_is_a_row_with_the_reason(
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


def test_an_unreadable_folder_hides_no_other_run(
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
