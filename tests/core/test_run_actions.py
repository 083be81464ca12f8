import os
import shutil
from pathlib import Path

import pytest

from core.run.actions import (
    ActionError,
    change_notes,
    delete,
    delete_study,
    restore,
    size_of,
    trash_dir,
    trashed_runs,
)
from core.run.folder import RunFolder
from core.run.lock import RunLock
from core.run.run_list import RunList
from tests.core.run_kit import FINISHED, HEAD, LONG, STARTED, epoch, make_run, rows_by_id


def test_changed_notes_are_in_the_row_at_once(tmp_path: Path) -> None:
    folder = make_run(tmp_path, STARTED, HEAD, epoch(1), LONG, FINISHED)
    runs = RunList(tmp_path)
    assert runs.refresh()[0].name == "zebras [red]"
    change_notes(folder, name="stripes", tags=("small",), note="good", starred=True, archived=True)
    for rows in (runs.refresh(), RunList(tmp_path).refresh()):
        (row,) = rows
        assert (row.name, row.tags, row.note) == ("stripes", ["small"], "good")
        assert (row.starred, row.archived) == (True, True)
    change_notes(folder, name="", tags=(), note="", starred=False, archived=False)
    for rows in (runs.refresh(), RunList(tmp_path).refresh()):
        (row,) = rows
        assert (row.name, row.tags, row.note, row.starred) == ("zebras [red]", [], "", False)


def test_a_row_has_the_recorded_configuration(tmp_path: Path) -> None:
    make_run(tmp_path, STARTED)
    (row,) = RunList(tmp_path).refresh()
    assert row.config == {"model.name": "convnext_atto"}


def test_damaged_notes_are_reported_in_the_row(tmp_path: Path) -> None:
    folder = make_run(tmp_path, STARTED)
    folder.notes.write_text("[")
    (row,) = RunList(tmp_path).refresh()
    assert row.name == "zebras [red]"
    assert "not valid YAML" in row.notes_problem


def test_a_deleted_run_is_restored_unchanged(tmp_path: Path) -> None:
    folder = make_run(tmp_path, STARTED, HEAD, FINISHED)
    (folder.checkpoints / "best.pt").write_bytes(b"weights")
    before = rows_by_id(tmp_path)
    trashed = delete(folder)
    assert rows_by_id(tmp_path) == {}
    assert trashed.path.parent == trash_dir(tmp_path)
    assert trashed_runs(tmp_path) == [trashed]
    assert restore(trashed).path == folder.path
    assert rows_by_id(tmp_path) == before
    assert (folder.checkpoints / "best.pt").read_bytes() == b"weights"
    assert trashed_runs(tmp_path) == []


def test_the_trash_holds_several_runs_of_one_id_last_deleted_first(tmp_path: Path) -> None:
    first = delete(make_run(tmp_path, STARTED))
    os.utime(first.path, (1, 1))
    second = delete(make_run(tmp_path, STARTED))
    assert [item.id for item in trashed_runs(tmp_path)] == [first.id, first.id]
    assert trashed_runs(tmp_path)[0] == second
    restore(second)
    with pytest.raises(ActionError, match="cannot be restored"):
        restore(first)


def test_a_study_is_deleted_and_restored_with_its_runs(tmp_path: Path) -> None:
    study = tmp_path / "20261124-120000-study-x"
    study.mkdir()
    (study / "study.yaml").write_text("name: x\n")
    runs = [make_run(tmp_path, STARTED, HEAD, FINISHED).path]
    runs.append(runs[0].with_name("20261124-130000-other"))
    shutil.copytree(runs[0], runs[1])
    before = rows_by_id(tmp_path)
    trashed = delete_study(study, runs)
    assert rows_by_id(tmp_path) == {} and not study.exists()
    assert trashed_runs(tmp_path) == [trashed]
    assert trashed.members == sorted(trashed.path / "runs" / run.name for run in runs)
    runs[1].mkdir()
    with pytest.raises(ActionError, match="20261124-130000-other cannot be restored"):
        restore(trashed)
    assert not runs[0].exists()  # nothing was moved
    runs[1].rmdir()
    assert restore(trashed).path == study
    assert rows_by_id(tmp_path) == before
    assert [path.name for path in study.iterdir()] == ["study.yaml"]


def test_runs_of_a_study_without_a_folder_are_deleted_and_restored(tmp_path: Path) -> None:
    run = make_run(tmp_path, STARTED).path
    trashed = delete_study(tmp_path / "20261124-110000-study-gone", [run])
    assert trashed_runs(tmp_path) == [trashed] and not run.exists()
    restore(trashed)
    assert run.exists() and trashed_runs(tmp_path) == []
    assert not (tmp_path / "20261124-110000-study-gone").exists()


def test_a_study_with_a_running_run_is_not_deleted(tmp_path: Path) -> None:
    folder = make_run(tmp_path, STARTED)
    study = tmp_path / "study"
    study.mkdir()
    lock = RunLock(folder)
    try:
        with pytest.raises(ActionError, match="stop it first"):
            delete_study(study, [folder.path])
    finally:
        lock.release()
    assert study.exists() and folder.path.exists()


def test_a_running_run_is_not_deleted(tmp_path: Path) -> None:
    folder = make_run(tmp_path, STARTED)
    lock = RunLock(folder)
    with pytest.raises(ActionError, match=f"in use by process {os.getpid()} on .*: stop it first"):
        delete(folder)
    lock.release()
    delete(folder)


def test_a_folder_without_write_permission_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ActionError, match=r"can't write to .*gone: No such file"):
        change_notes(RunFolder(tmp_path / "gone"), starred=True)
    with pytest.raises(ActionError, match=r"can't move .*gone: No such file"):
        delete(RunFolder(tmp_path / "gone"))


def test_the_size_of_a_folder_counts_all_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"x" * 10)
    (tmp_path / "y").write_bytes(b"y" * 5)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert size_of(tmp_path) - (tmp_path / "link").lstat().st_size == 15
    assert size_of(tmp_path / "gone") == 0


def test_a_study_that_cannot_be_moved_stays(tmp_path: Path) -> None:
    study = tmp_path / "20261124-120000-study-x"
    study.mkdir()
    trash_dir(tmp_path).write_text("a file in the way")
    with pytest.raises(ActionError, match="File exists"):
        delete_study(study, [])
    assert study.is_dir()
