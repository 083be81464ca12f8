"""The app as screens, tabs, dialogs and widgets see it.

They must not import `tui.app`, which imports them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from textual.message_pump import MessagePump

from tui.preferences.preferences import Preferences
from tui.preferences.refresh_rates import RefreshRates

if TYPE_CHECKING:
    from core.config.schema import Config
    from core.session.resume import Resumption
    from tui.viewmodel.run_source import RunModel


@runtime_checkable
class HasModel(Protocol):
    """A screen over a run, whose new events the app reads at every tick."""

    model: "RunModel"


@runtime_checkable
class HasTick(Protocol):
    """A screen that is refreshed at every tick of the app."""

    def tick(self, now: float, charts: bool) -> None:
        """Refresh; with `charts` also those."""


@runtime_checkable
class HasPreferences(Protocol):
    """A screen that depends on settings."""

    def apply_preferences(self) -> None:
        """Apply changed settings."""


class Plan(Protocol):
    """Work out which run the command line asks for."""

    def __call__(self) -> "tuple[Config, Resumption | None]":
        """Return the configuration, and the checkpoint to resume from if there is one.

        Takes a moment; raises OSError or ValueError if the run cannot start.
        """


class StudyControl(Protocol):
    """Commands to the processes of a study. Both wait for replies: not for the event loop.

    They return whether the command was applied, and a message; they raise SetupError and OSError.
    """

    def send(self, path: Path, action: str) -> tuple[bool, str]:
        """Send `pause`, `resume` or `stop` to all running members of the study in a folder."""

    def resume(self, path: Path) -> tuple[bool, str]:
        """Start a process in the background that runs the members that are not finished."""


class Host(Protocol):
    """Services of the app. `tui.app.ConvNextApp` implements it."""

    preferences: Preferences
    rates: RefreshRates
    """How often screens and charts are refreshed."""
    clock: Callable[[], float]
    runs_dir: Path
    read_only_reason: str
    """Why this app changes nothing; empty if it may."""
    study_control: StudyControl | None
    """None if this app can't control other processes."""

    @property
    def training(self) -> bool:
        """Whether a run is training in this process."""

    def refuse_change(self) -> bool:
        """Return whether the app is read-only, after a notification that says so."""

    def set_preference(self, name: str, value: str) -> None:
        """Change a setting and apply it to all open screens."""

    async def begin(self, plan: Plan) -> None:
        """Start the planned run and show it; exit the app if it cannot start."""

    def launch(self, config: "Config") -> str:
        """Start a run and show it; return an error message, empty on success."""

    def resume(self, path: Path) -> str:
        """Resume a run and show it; return an error message, empty on success."""

    def open_run(self, path: Path) -> None:
        """Show a run."""

    def open_replay(self, path: Path) -> None:
        """Replay a run."""

    def open_study(self, path: Path) -> None:
        """Show a study; its folder may be missing if it has runs."""

    def open_comparison(self, paths: list[Path], in_groups: bool = False) -> None:
        """Compare runs, or groups of runs if some of the paths are those of studies."""

    def open_queue(self, job: int = 0) -> None:
        """Show the queue, with a job selected by its number."""

    def open_form(self) -> None:
        """Open the form for a new run."""

    def open_form_like(self, path: Path, name: str) -> str:
        """Open the form with the configuration of a run; return an error message, empty on
        success."""


def host(node: MessagePump) -> Host:
    """Return the app of a screen or widget as its host."""
    return cast(Host, node.app)
