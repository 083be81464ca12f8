"""Test kit: the app over a scripted run, with a fake session."""

from pathlib import Path

from textual.pilot import Pilot
from textual.strip import Strip
from textual.widgets import Static

from core.config.schema import Config
from core.session.resume import Resumption
from tests.tui import scripted
from tui.app import ConvNextApp, Exit
from tui.preferences.preferences import Preferences
from tui.viewmodel.run_source import LaunchedRun
from tui.widgets.host import Plan

NOWHERE = Path("/nowhere/runs")


class Starter:
    """Fake session: record the requested runs and start a scripted one."""

    def __init__(self) -> None:
        self.configs: list[Config] = []
        self.resumptions: list[Resumption | None] = []
        self.source = scripted.Script("fresh").prepare().source()
        self.error: Exception | None = None

    def __call__(self, config: Config, resumption: Resumption | None = None) -> LaunchedRun:
        if self.error:
            raise self.error
        self.resumptions.append(resumption)
        self.configs.append(config)
        return LaunchedRun(self.source)


def make_app(
    source: scripted.ScriptedSource | None = None,
    runs_dir: Path = NOWHERE,
    starter: Starter | None = None,
    now: float = scripted.START + 900,
    plan: Plan | None = None,
    preferences: Preferences | None = None,
    read_only_reason: str = "",
) -> ConvNextApp:
    launched = LaunchedRun(source) if source else None
    start = starter or Starter()
    return ConvNextApp(
        runs_dir,
        start,
        launched=launched,
        clock=lambda: now,
        plan=plan,
        preferences=preferences,
        read_only_reason=read_only_reason,
    )


async def settle(pilot: Pilot[Exit]) -> None:
    """Let the app process pending records and their effects."""
    await pilot.pause()
    assert isinstance(pilot.app, ConvNextApp)
    pilot.app.tick()
    await pilot.pause()


async def press(pilot: Pilot[Exit], *keys: str) -> None:
    await pilot.press(*keys)
    await settle(pilot)


def text(pilot: Pilot[Exit], selector: str) -> str:
    """Return the text of a line of the active screen."""
    return str(pilot.app.screen.query_one(selector, Static).render())


def screen_strips(app: ConvNextApp) -> list[Strip]:
    """Return the rows of the screen as rendered. Textual has no public API for them."""
    return app.screen._compositor.render_strips()


def toasts(pilot: Pilot[Exit]) -> str:
    """Return the text of all notifications."""
    return "\n".join(str(toast.render()) for toast in pilot.app.screen.query("Toast"))
