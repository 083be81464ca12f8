"""Check an image folder: the command, and the dialog of the form."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from tests.core.test_check import folder
from tests.odd_images import make_depths
from tests.tui.command import run
from tests.tui.kit import Starter, make_app, settle
from tui.app import Exit
from tui.screens.check import CheckScreen
from tui.screens.new_run import NewRunScreen


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Create two classes with a duplicate across both, a damaged file, and control characters in
    names."""
    root = folder(tmp_path / "photos")
    shutil.copy(root / "class_0" / "00.png", root / "class_1" / 'in\x1b[2J, "two"\n.png')
    (root / "class_1" / "bad [red].png").write_text("x")
    return root


def test_the_report_is_printed_to_a_terminal_or_log(photos: Path, tmp_path: Path) -> None:
    done = run("check", str(photos), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "25 images in 2 classes" in done.stdout
    assert "class_1/bad [red].png: not an image in a supported format" in done.stdout
    assert 'class_0/00.png  =  class_1/in\\x1b[2J, "two"\\n.png' in done.stdout
    assert "\x1b" not in done.stdout


def test_strict_reports_problems_as_the_exit_code(photos: Path, tmp_path: Path) -> None:
    assert run("check", str(photos), "--strict", cwd=tmp_path).returncode == 1
    shutil.rmtree(photos / "class_1")
    folder(tmp_path / "more", classes=2)
    (tmp_path / "more" / "class_1").rename(photos / "class_1")
    done = run("check", str(photos), "--strict", cwd=tmp_path)
    assert done.returncode == 0
    assert "no problems found" in done.stdout
    assert run("check", str(photos / "nowhere"), cwd=tmp_path).returncode == 2


def test_json_and_csv_have_the_full_report(photos: Path, tmp_path: Path) -> None:
    done = run("check", str(photos), "--json", "--report", "list.csv", cwd=tmp_path)
    tree = json.loads(done.stdout)
    assert tree["images"] == 25
    assert tree["classes"] == {"class_0": 12, "class_1": 13}
    assert [item["path"] for item in tree["damaged"]] == ["class_1/bad [red].png"]
    leak = ["class_0/00.png", 'class_1/in\x1b[2J, "two"\n.png']
    assert tree["leaks"] == tree["duplicates"] == [leak]
    with (tmp_path / "list.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows if row["kind"] == "leak"] == leak
    assert [row["path"] for row in rows if row["kind"] == "damaged"] == ["class_1/bad [red].png"]
    make_depths(photos, "12-bit", each=1)
    done = run("check", str(photos), "--json", "--report", "list.csv", cwd=tmp_path)
    (use,) = json.loads(done.stdout)["value_ranges"]
    assert (use["kind"], use["images"], use["range"]) == ("uint16", 2, [0.0, 4095.0])
    with (tmp_path / "list.csv").open(newline="") as file:
        found = {
            row["path"]: row["detail"] for row in csv.DictReader(file) if row["kind"] == "values"
        }
    assert found == {f"class_{n}/000.png": "16-bit, 0 to 4,095" for n in range(2)}
    refused = run("check", str(photos), "--report", "no/such/list.csv", cwd=tmp_path)
    assert (refused.returncode, "can't be written" in refused.stderr) == (2, True)


async def until_shown(pilot: Pilot[Exit], text: str) -> None:
    for _ in range(2000):
        await pilot.pause(0.002)
        if text in shown(pilot):
            return
    raise AssertionError(shown(pilot))


def shown(pilot: Pilot[Exit]) -> str:
    return str(pilot.app.screen.query_one("#check-text", Static).render())


async def test_the_form_checks_its_folder(photos: Path) -> None:
    app = make_app(starter=Starter())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n", "f4")
        await settle(pilot)
        hint = str(app.screen.query_one("#data-root-hint", Static).render())
        assert hint == "an image folder is required"
        app.screen.query_one("#data-root", Input).value = str(photos)
        await pilot.press("f4")
        await until_shown(pilot, "1 damaged file")
        assert isinstance(app.screen, CheckScreen)
        assert "\x1b" not in shown(pilot)
        box = app.screen.query_one("#check")
        for key, moved in (("down", 1), ("pagedown", 16), ("pageup", 1), ("up", 0)):
            await pilot.press(key)
            assert box.scroll_y == min(moved, box.max_scroll_y)
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(app.screen, NewRunScreen)
        app.screen.query_one("#data-root", Input).value = str(photos / "nowhere")
        await pilot.press("f4")
        await until_shown(pilot, "no such folder")


async def test_leaving_cancels_the_check(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []

    def endless(root: Path, progress: object, cancelled: object) -> None:
        assert callable(progress)
        assert callable(cancelled)
        progress(64, 5000)
        while not cancelled():
            pass
        ended.append(root)

    monkeypatch.setattr("tui.screens.check.check_data", endless)
    app = make_app(starter=Starter())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        app.screen.query_one("#data-root", Input).value = str(photos)
        await pilot.press("f4")
        await until_shown(pilot, "Checking images: 64 of 5,000")
        await pilot.press("escape")
        await app.workers.wait_for_complete()
        assert ended == [photos]
