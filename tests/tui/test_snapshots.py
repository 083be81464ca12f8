"""Pictures of the screens. After a change that is meant: pytest --snapshot-update, then look."""

from pathlib import Path
from typing import Protocol

import pytest
from textual.app import App
from textual.pilot import Pilot

from tests.tui import classes, scripted
from tests.tui.disk import some_runs
from tests.tui.kit import NOWHERE, make_app, settle
from tui.app import ConvNextApp, Exit
from tui.habits import Habits
from tui.settings import Settings

SIZES = [(80, 24), (140, 45)]


class Compare(Protocol):
    def __call__(
        self, app: App[Exit], *, terminal_size: tuple[int, int], run_before: object
    ) -> bool:
        """Compare the app's picture with the one that is kept."""


def pressing(*keys: str) -> object:
    async def before(pilot: Pilot[Exit]) -> None:
        for _ in range(2):  # the list begins to read behind its first frame
            await pilot.app.workers.wait_for_complete()
            await settle(pilot)
        await pilot.press(*keys)
        await settle(pilot)
        for _ in range(4):
            await settle(pilot)

    return before


def sized(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


@pytest.mark.parametrize("size", SIZES, ids=sized)
@pytest.mark.parametrize("kind", ["running", "paused", "finished", "failed", "with_nan"])
def test_run(snap_compare: Compare, kind: str, size: tuple[int, int]) -> None:
    script = getattr(scripted, kind)()
    source = script.source(live=kind not in ("finished", "failed"))
    app = make_app(source, now=script.time + 200)
    assert snap_compare(app, terminal_size=size, run_before=pressing())


@pytest.mark.parametrize(
    ("name", "keys"),
    [("patience", ["p", "8"]), ("help", ["f1"]), ("quit", ["q"]), ("accuracy", ["c"])],
)
@pytest.mark.parametrize("size", SIZES, ids=sized)
def test_over_a_run(
    snap_compare: Compare, name: str, keys: list[str], size: tuple[int, int]
) -> None:
    script = scripted.running()
    app = make_app(script.source(), now=script.time + 200)
    assert snap_compare(app, terminal_size=size, run_before=pressing(*keys))


@pytest.mark.parametrize("size", SIZES, ids=sized)
@pytest.mark.parametrize(
    ("name", "keys"),
    [("classes", ["2"]), ("confusion", ["2", "v"]), ("config", ["4"]), ("log", ["5"]),
     ],
)  # fmt: skip
def test_tabs(snap_compare: Compare, name: str, keys: list[str], size: tuple[int, int]) -> None:
    script = classes.animals()
    app = make_app(script.source(), now=script.time + 200)
    assert snap_compare(app, terminal_size=size, run_before=pressing(*keys))


@pytest.mark.parametrize("size", SIZES, ids=sized)
def test_all_charts(snap_compare: Compare, size: tuple[int, int]) -> None:
    script = classes.animals()
    app = make_app(script.source(), now=script.time + 200)
    assert snap_compare(app, terminal_size=size, run_before=pressing("g", "g"))


@pytest.mark.parametrize("size", SIZES, ids=sized)
def test_no_runs(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(make_app(runs_dir=NOWHERE), terminal_size=size, run_before=pressing())


@pytest.mark.parametrize("size", SIZES, ids=sized)
@pytest.mark.parametrize("keys", [[], ["2"]], ids=["charts", "classes"])
def test_a_run_in_light(snap_compare: Compare, keys: list[str], size: tuple[int, int]) -> None:
    script = classes.animals()
    light = Habits(Settings(theme="convnext-light"))
    app = make_app(script.source(), now=script.time + 200, habits=light)
    assert snap_compare(app, terminal_size=size, run_before=pressing(*keys))


@pytest.mark.parametrize("size", SIZES, ids=sized)
def test_preparing(snap_compare: Compare, size: tuple[int, int]) -> None:
    script = scripted.preparing()
    app = make_app(script.source(), now=script.time + 2)
    assert snap_compare(app, terminal_size=size, run_before=pressing())


@pytest.mark.parametrize("size", SIZES, ids=sized)
def test_runs(
    snap_compare: Compare,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
) -> None:
    some_runs(tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    app: ConvNextApp = make_app(runs_dir=Path("runs"))
    assert snap_compare(app, terminal_size=size, run_before=pressing("down"))


@pytest.mark.parametrize("size", SIZES, ids=sized)
def test_compare(
    snap_compare: Compare,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
) -> None:
    some_runs(tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    app: ConvNextApp = make_app(runs_dir=Path("runs"))
    assert snap_compare(app, terminal_size=size, run_before=pressing("c"))


@pytest.mark.parametrize("size", SIZES, ids=sized)
def test_new_run(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(make_app(), terminal_size=size, run_before=pressing("n", "f5"))
