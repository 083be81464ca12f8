"""Helpers for tests of the lists of the form for a new run."""

from collections.abc import Callable

from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.kit import screen_strips
from tui.app import ConvNextApp, Exit
from tui.dialogs.folder import FolderDialog
from tui.widgets.folder_tree import FolderTree


async def until(pilot: Pilot[Exit], true: Callable[[], bool]) -> None:
    for _ in range(500):
        await pilot.pause(0.002)
        if true():
            return
    raise AssertionError(f"the condition was not reached:\n{shown(pilot)}")


def field(pilot: Pilot[Exit], id: str = "data-root") -> Input:
    return pilot.app.screen.query_one(f"#{id}", Input)


def shown(pilot: Pilot[Exit]) -> str:
    assert isinstance(pilot.app, ConvNextApp)
    return "\n".join(strip.text for strip in screen_strips(pilot.app))


def tree(pilot: Pilot[Exit]) -> FolderTree:
    return pilot.app.screen.query_one(FolderTree)


def labels(pilot: Pilot[Exit]) -> list[str]:
    return [str(node.label) for node in tree(pilot).root.children]


def footer(pilot: Pilot[Exit]) -> str:
    return shown(pilot).splitlines()[-1]


async def open_folders(pilot: Pilot[Exit], path: object) -> None:
    await pilot.press("n")
    await pilot.pause()
    field(pilot).value = str(path)
    await pilot.press("f3")
    await until(pilot, lambda: isinstance(pilot.app.screen, FolderDialog))
    await until(pilot, lambda: bool(labels(pilot)) and labels(pilot) != ["reading …"])
