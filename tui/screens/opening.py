"""Screens that the app opens over the run list, each imported on first use."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tui.terminal.terminal_app import TerminalApp

if TYPE_CHECKING:
    from tui.widgets.host import StudyControl

R = TypeVar("R")


class OpensScreens(TerminalApp[R]):
    """Base class for the app: it opens screens that need nothing else of it."""

    runs_dir: Path
    clock: Callable[[], float] = time.time
    read_only_reason: str = ""
    study_control: "StudyControl | None" = None

    def open_study(self, path: Path) -> None:
        """Show a study; its folder may be missing if it has runs."""
        from tui.screens.study import StudyScreen

        self.push_screen(StudyScreen(path))

    def open_replay(self, path: Path) -> None:
        """Replay a run."""
        from tui.screens.replay import ReplayScreen
        from tui.viewmodel.replay import ReplayModel

        self.push_screen(ReplayScreen(ReplayModel(path, self.clock)))

    def open_comparison(self, paths: list[Path], in_groups: bool = False) -> None:
        """Compare runs, or groups of runs if some of the paths are those of studies."""
        from tui.screens.compare import CompareScreen
        from tui.screens.compare_groups import CompareGroupsScreen

        screen = CompareGroupsScreen if in_groups else CompareScreen
        self.push_screen(screen(paths, self.runs_dir))

    def open_form_like(self, path: Path, name: str) -> str:
        """Open the form with the configuration of a run; return an error message, empty on
        success."""
        from core.config.load import NO_STUDY, load_config
        from core.run.folder import RunFolder
        from tui.screens.new_run import NewRunScreen
        from tui.viewmodel.new_run_form import Base

        if self.read_only_reason:
            return self.read_only_reason
        try:
            base = Base(name, load_config(RunFolder(path).config, [NO_STUDY]))
        except (OSError, ValueError) as error:
            return str(error)
        self.push_screen(NewRunScreen(base))
        return ""
