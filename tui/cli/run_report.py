"""Read the run that a command prints or exports."""

from pathlib import Path

from core.common.errors import SetupError, os_error_text
from core.common.text import printable
from core.run.find import find_run
from core.run.folder import run_folders
from core.run.report import RunReport, read_report


def no_runs_text(runs_dir: Path) -> str:
    """Return the message for an empty runs directory."""
    return f"no runs in {printable(str(runs_dir))}; start one with: convnext-tui --demo"


def read_run(runs_dir: Path, run: str | None) -> RunReport:
    """Read a run, by default the newest; raises SetupError."""
    folder = find_run(runs_dir, run) if run else next(run_folders(runs_dir), None)
    if folder is None:
        raise SetupError(no_runs_text(runs_dir))
    try:
        return read_report(folder)
    except OSError as error:
        shown = printable(str(folder.path))
        raise SetupError(f"{shown} can't be read: {os_error_text(error)}") from None
