"""The footer: keys of the place that has the focus, as many as fit, the most important first."""

from itertools import pairwise
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable

from core.run.folder import RunFolder
from core.run.lock import RunLock
from tests.tui import scripted
from tests.tui.disk import some_runs, write_run
from tests.tui.kit import make_app, press, settle
from tests.tui.test_run_list import reload
from tui.app import Exit
from tui.runtime.read_only import REASON

SIZES = [(80, 24), (100, 30), (140, 45), (200, 50)]
STEERING = {"Pause", "Resume", "Patience", "LR", "Save", "Next", "Stop"}


def labels(pilot: Pilot[Exit]) -> list[str]:
    """Return the labels in the footer; all of them must be in full view."""
    keys = list(pilot.app.screen.query("FooterKey"))
    assert keys[-1].region.right <= pilot.app.size.width
    assert all(key.region.width == key.virtual_region.width > 0 for key in keys)
    return [str(key.description) for key in keys]  # type: ignore[attr-defined]


@pytest.mark.parametrize("make", [scripted.running, scripted.paused, scripted.failed])
async def test_a_wider_footer_has_all_keys_of_a_narrower_one(make: object) -> None:
    app = make_app(make().source())  # type: ignore[operator]
    shown: list[set[str]] = []
    async with app.run_test(size=(40, 24)) as pilot:
        await settle(pilot)
        for width in (40, 60, 80, 81, 84, 90, 100, 140, 200):
            await pilot.resize_terminal(width, 30)
            await settle(pilot)
            shown.append(set(labels(pilot)))
    assert all(narrow <= wide for narrow, wide in pairwise(shown))
    assert {"Back", "Help"} <= shown[0]
    assert {"Layout", "y axis"} <= shown[-1]


async def test_the_footer_follows_the_open_tab() -> None:
    app = make_app(scripted.finished().source())
    async with app.run_test(size=(140, 45)) as pilot:
        await settle(pilot)
        assert "Layout" in labels(pilot)
        await press(pilot, "4")
        assert "Changed only" in labels(pilot)
        assert "Layout" not in labels(pilot)


async def test_an_empty_list_offers_no_keys_for_runs(tmp_path: Path) -> None:
    async with make_app(runs_dir=tmp_path).run_test(size=(200, 50)) as pilot:
        await reload(pilot)
        shown = set(labels(pilot))
        assert {"New run", "Queue", "Filter", "Help", "Quit"} <= shown
        assert not shown & {"Open", "Mark", "Compare", "Replay", "Star", "Delete", "Rename"}


async def test_groups_are_separated_and_keys_differ_without_colors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = make_app(scripted.running().source())
    async with app.run_test(size=(140, 45)) as pilot:
        await settle(pilot)
        assert len(pilot.app.screen.query("KeyFooter .footer-separator")) == 2
        row = app.screen._compositor.render_strips()[-1]
        keys = [s.text for s in row if s.style and s.style.reverse and s.text.strip()]
        assert keys[:3] == ["space", "p", "L"]


@pytest.mark.parametrize("size", SIZES)
async def test_the_run_list_shows_resume_for_a_run_that_can_be_resumed(
    size: tuple[int, int], tmp_path: Path
) -> None:
    some_runs(tmp_path)
    app = make_app(runs_dir=tmp_path)
    async with app.run_test(size=size) as pilot:
        await reload(pilot)
        seen = {}
        for row in range(app.screen.query_one(DataTable).row_count):
            app.screen.query_one(DataTable).move_cursor(row=row)
            await settle(pilot)
            run = app.screen.selected_run()  # type: ignore[attr-defined]
            seen[run.status] = labels(pilot)
        assert {status: "Resume" in keys for status, keys in seen.items()} == {
            status: status in ("failed", "interrupted", "stopped") for status in seen
        }
        assert {"finished", "failed"} <= seen.keys()
        for keys in seen.values():
            assert {"Open", "New run", "Mark", "Compare", "Filter", "Help", "Quit"} <= set(keys)
        if size[0] >= 100:
            assert {"Replay", "Star", "Delete"} <= set(seen["finished"])


async def test_the_filter_shows_how_to_leave_it(tmp_path: Path) -> None:
    some_runs(tmp_path)
    app = make_app(runs_dir=tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await reload(pilot)
        assert "Clear" not in labels(pilot)
        await press(pilot, "slash")
        assert labels(pilot) == ["Go to list", "Clear", "Help", "Menu"]
        await press(pilot, "enter")
        assert {"Open", "Clear"} <= set(labels(pilot))
        await press(pilot, "escape")
        assert "Clear" not in labels(pilot)
        await press(pilot, "space")
        assert "Clear" in labels(pilot)


async def test_a_read_only_app_shows_no_key_that_would_be_refused(tmp_path: Path) -> None:
    path = write_run(tmp_path, "going", scripted.running().records)
    lock = RunLock(RunFolder(path))
    app = make_app(runs_dir=tmp_path, read_only_reason=REASON)
    async with app.run_test(size=(200, 40)) as pilot:
        await reload(pilot)
        shown = set(labels(pilot))
        assert {"Open", "Mark", "Compare", "Replay", "Filter", "Sort"} <= shown
        assert not shown & {"New run", "Resume", "Star", "Delete", "Rename", "Restore", "Archive"}
        await press(pilot, "enter")
        assert not set(labels(pilot)) & STEERING
        assert "Layout" in labels(pilot)
    lock.release()


async def test_a_replay_shows_its_own_keys_at_80_columns(tmp_path: Path) -> None:
    path = write_run(tmp_path, "20261124-120000-done", scripted.finished().records)
    app = make_app(runs_dir=tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        app.open_replay(path)
        await settle(pilot)
        assert {"Pause", "Speed", "Epoch", "10%", "Back", "Help"} <= set(labels(pilot))
        assert not set(labels(pilot)) & (STEERING - {"Pause"})
