"""Folders of the form for a new run: completed, browsed and recent ones, by keys and mouse."""

import os
import shutil
import threading
from pathlib import Path

import pytest
from textual.widgets import OptionList

from tests.tui.disk import write_run
from tests.tui.form_kit import field, labels, open_folders, shown, tree, until
from tests.tui.kit import Starter, make_app, text
from tests.tui.scripted import Script
from tui.dialogs.folder import FolderDialog
from tui.screens.new_run import NewRunScreen
from tui.viewmodel import folders


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("cats", "dogs [red]", ".hidden", "Zoo animals/wild"):
        (tmp_path / "photos" / name).mkdir(parents=True)
    (tmp_path / "photos" / "a file").touch()
    (tmp_path / "photos" / "cats" / "1.png").touch()
    return tmp_path / "photos"


async def test_a_typed_folder_is_completed(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(photos.parent))
    monkeypatch.chdir(photos.parent)
    (photos / "do\x1b[31mevil").mkdir()
    async with make_app().run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await pilot.pause()
        for typed, completed in (
            (f"{photos}/c", f"{photos}/cats/"),
            (f"{photos}/zoo", f"{photos}/Zoo animals/"),
            (f"{photos}/d", f"{photos}/dogs [red]/"),
            (f"{photos}/.h", f"{photos}/.hidden/"),
            ("~/ph", "~/photos/"),
            ("pho", "photos/"),
            ("photos/Zoo animals/w", "photos/Zoo animals/wild/"),
        ):
            field(pilot).value = typed
            await until(pilot, lambda value=completed: field(pilot)._suggestion == value)
            field(pilot).action_end()
            await pilot.press("right")
            assert field(pilot).value == completed
        assert field(pilot).has_focus


@pytest.mark.parametrize(
    "typed", ["s3://bucket/c", "{}/", "{}/h", "{}/a", "{}/nowhere/x", "{}/a file/x", "~nobody/x"]
)
def test_no_completion(photos: Path, typed: str) -> None:
    typed = typed.format(photos)
    folder = folders.completion_folder(typed)
    assert folder is None or folders.completed(typed, folders.list_folder(folder)) is None


def test_weights_files_are_completed(photos: Path) -> None:
    (photos / "best.safetensors").touch()
    listing = folders.list_folder(photos, (".safetensors",))
    assert folders.completed("x/be", listing) == "x/best.safetensors"
    assert folders.completed("x/a", listing) is None


async def test_a_folder_that_does_not_respond_blocks_nothing(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a network file system whose server is down."""
    released, read = threading.Event(), []
    actual = folders.list_folder

    def hang(folder: Path, suffixes: tuple[str, ...] = ()) -> folders.Listing:
        read.append(folder)
        if "mount" in str(folder):
            released.wait(60)
        return actual(folder, suffixes)

    monkeypatch.setattr("tui.widgets.suggesters.list_folder", hang)
    monkeypatch.setattr("tui.widgets.folder_tree.list_folder", hang)
    (photos / "mount" / "inner").mkdir(parents=True)
    async with make_app().run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await pilot.pause()
        for typed in ("i", "in", "inn"):
            field(pilot).value = f"{photos}/mount/{typed}"
            await pilot.pause()
        assert read == [photos / "mount"]  # once, not with each key
        field(pilot).value = f"{photos}/c"
        await until(pilot, lambda: field(pilot)._suggestion == f"{photos}/cats/")
        await pilot.press("f3")
        await until(pilot, lambda: "cats" in labels(pilot))
        await pilot.press(*["down"] * 3, "right")
        await until(pilot, lambda: "reading …" in shown(pilot))
        await pilot.press("down", "down", "right")
        await until(pilot, lambda: "wild" in shown(pilot))
        assert "reading …" in shown(pilot)
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, NewRunScreen)
    released.set()


async def test_folders_are_browsed_by_keys(photos: Path) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await open_folders(pilot, photos / "nowhere" / "at all")
        assert labels(pilot) == ["cats", "dogs [red]", "Zoo animals"]
        assert tree(pilot).folder == photos
        await pilot.press("full_stop")
        await until(pilot, lambda: ".hidden" in labels(pilot))
        await pilot.press("full_stop")
        await until(pilot, lambda: len(labels(pilot)) == 3)
        await pilot.press("left")
        await until(pilot, lambda: labels(pilot) == ["photos"])
        await until(pilot, lambda: tree(pilot).folder == photos)
        await pilot.press("right")
        await until(pilot, lambda: "dogs [red]" in shown(pilot))
        await pilot.press("right", "down")
        assert str(photos / "dogs [red]")[-40:] in text(pilot, "#hint")
        await pilot.press("left")
        assert tree(pilot).folder == photos
        await pilot.press("down", "down", "enter")
        await pilot.pause()
        assert field(pilot).value == str(photos / "dogs [red]")
        assert field(pilot).has_focus


@pytest.mark.parametrize("text_", ["", "s3://bucket/photos", "\0"])
async def test_without_a_local_path_browsing_starts_in_the_working_directory(
    photos: Path, monkeypatch: pytest.MonkeyPatch, text_: str
) -> None:
    monkeypatch.chdir(photos)
    async with make_app().run_test(size=(80, 24)) as pilot:
        await open_folders(pilot, text_)
        assert tree(pilot).root.data == photos
        await pilot.press("escape")
        assert field(pilot).value == text_


async def test_the_browser_opens_and_chooses_by_mouse(photos: Path) -> None:
    async with make_app().run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await pilot.pause()
        field(pilot).value = str(photos)
        await pilot.click("#data-root-list")
        await until(pilot, lambda: isinstance(pilot.app.screen, FolderDialog))
        await until(pilot, lambda: "cats" in labels(pilot))
        await pilot.click("#folders", offset=(6, 1))
        await until(pilot, lambda: tree(pilot).folder == photos / "cats")
        await until(pilot, lambda: "no subfolders" in shown(pilot))
        await pilot.click("#choose")
        await pilot.pause()
        assert field(pilot).value == str(photos / "cats")
        await pilot.click("#data-root-list")
        await until(pilot, lambda: isinstance(pilot.app.screen, FolderDialog))
        await pilot.click("#cancel")
        assert isinstance(pilot.app.screen, NewRunScreen)


async def test_a_folder_that_vanished_or_cannot_be_read_says_so(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if str(path).endswith("dogs [red]"):  # as root, mode bits refuse nothing
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    async with make_app().run_test(size=(80, 24)) as pilot:
        await open_folders(pilot, photos)
        shutil.rmtree(photos / "cats")
        await pilot.press("down", "right")
        await until(pilot, lambda: "no such file or directory" in shown(pilot).lower())
        await pilot.press("down", "enter")  # the note is no folder
        assert isinstance(pilot.app.screen, FolderDialog)
        await pilot.press("down", "right")
        await until(pilot, lambda: "permission denied" in shown(pilot).lower())
        await pilot.press("left", "left")
        assert tree(pilot).folder == photos


async def test_a_folder_that_vanished_is_refused_by_the_form(
    photos: Path, starter: Starter
) -> None:
    async with make_app(starter=starter).run_test(size=(80, 24)) as pilot:
        await open_folders(pilot, photos)
        shutil.rmtree(photos / "cats")
        await pilot.press("down", "enter")
        await until(pilot, lambda: "cats" in text(pilot, "#start-message"))
        assert text(pilot, "#start-message").startswith("Cannot start: Data folder: ")
        await pilot.press("tab", "f5")
        await until(pilot, lambda: field(pilot).has_focus)
    assert starter.configs == []


async def test_thousands_of_folders_are_listed_up_to_a_limit(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.widgets.folder_tree._MAX_SHOWN", 50)
    for number in range(120):
        (photos / "many" / f"{number:03}").mkdir(parents=True)
    async with make_app().run_test(size=(80, 24)) as pilot:
        await open_folders(pilot, photos / "many")
        assert labels(pilot)[0::50] == ["000", "… 70 more: type the path in the form"]
        await pilot.press("left")
        await until(pilot, lambda: "photos" in str(tree(pilot).root.label))
        monkeypatch.setattr(folders, "_MAX_ENTRIES", 20)
        await until(pilot, lambda: tree(pilot).folder == photos / "many")
        await pilot.press("right")
        await until(
            pilot, lambda: "too many entries" in str(tree(pilot).cursor_node.children[-1].label)
        )


async def test_a_name_with_control_characters_is_shown_but_not_taken(tmp_path: Path) -> None:
    (tmp_path / "\x1b[31mevil\n").mkdir()
    async with make_app().run_test(size=(80, 24)) as pilot:
        await open_folders(pilot, tmp_path)
        assert labels(pilot) == [r"\x1b[31mevil\n"]
        await pilot.press("down", "enter")
        assert "control characters" in text(pilot, "#hint")
        assert isinstance(pilot.app.screen, FolderDialog)


async def test_data_folders_of_runs_are_offered(photos: Path, tmp_path: Path) -> None:
    roots = ("s3://bucket/photos", tmp_path / "gone", photos, tmp_path / "gone", photos / "cats")
    for number, root in enumerate(roots):
        script = Script(f"run {number}", data={"root": str(root)}).prepare()
        write_run(tmp_path / "runs", f"2026112{number}-120000-run", script.records)
    async with make_app(runs_dir=tmp_path / "runs").run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await open_folders(pilot, photos)
        recent = pilot.app.screen.query_one("#recent", OptionList)
        await until(pilot, lambda: recent.option_count > 0)
        expected = [photos / "cats", photos, "s3://bucket/photos", tmp_path / "gone"]
        assert [option.id for option in recent.options] == list(map(str, expected))
        assert "gone  not found" in shown(pilot)
        await pilot.press("tab", "end", "up", "enter")
        await pilot.pause()
        assert field(pilot).value == "s3://bucket/photos"
