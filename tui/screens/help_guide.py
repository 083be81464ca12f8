"""The guide of the help dialog: one page for new users.

Keys, defaults and folders are read from the program, so that the guide cannot contradict it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textual.app import App

from core.common.text import printable
from core.common.user_dirs import cache_dir, config_dir
from core.run.files import SAMPLES
from core.run.folder import RunFolder
from tui.preferences.refresh_rates import BANDWIDTHS
from tui.text.key_bindings import key_for

_RUN = RunFolder(Path())
FILES = {
    _RUN.config.name: "all config values of the run, defaults included",
    _RUN.journal.name: "event log: one event per line, append-only",
    _RUN.history.name: "one row per epoch",
    _RUN.split.name: "all images used: path, class, split, SHA-256",
    f"{_RUN.evaluations.name}/": "results of `evaluate`, one JSON file each",
    f"{SAMPLES}/": "first training images of each phase, as the model receives them",
    _RUN.commands.name: "commands from other processes, one per line",
    f"{_RUN.checkpoints.name}/": (
        "`best.pt`, `best-head.pt`, `best-full.pt`, `last.pt` and its predecessor, `manual-*.pt`"
    ),
    _RUN.lock.name: "locked while a process trains the run",
    _RUN.log.name: "tracebacks and the output of libraries",
    _RUN.notes.name: "your name, tags, note, star and archived flag; can be edited manually",
    _RUN.snapshot.name: "snapshot of the run state, so that a long event log opens quickly",
}
"""Files of a run folder. The README has the same table."""


@dataclass(frozen=True, slots=True)
class Section:
    """A title with a paragraph, or with names and their meanings. Keys and commands are in
    backticks."""

    title: str
    text: str = ""
    rows: tuple[tuple[str, str], ...] = ()


def help_sections(app: App[Any], runs_dir: Path) -> list[Section]:
    """Return the guide for an app over a runs directory."""
    return [*_training(app), *_leaving(app), *_folders(runs_dir)]


def _training(app: App[Any]) -> list[Section]:
    from core.config.load import load_config  # it imports pydantic, needed only for the guide
    from tui.screens.run_controls import RunControlsScreen
    from tui.screens.run_list_actions import RunActionsScreen

    phases = load_config("default").phases
    head, full = phases.head.patience, phases.full.patience
    pause, patience, lr, save, following, stop = (
        f"`{key_for(RunControlsScreen, name, app)}`"
        for name in ("Pause", "Patience", "LR", "Save", "Next", "Stop")
    )
    new_run = key_for(RunActionsScreen, "New run", app)
    return [
        Section(
            "Your own images",
            "Use a folder with one subfolder per class, which is split into train and val, or one "
            f"that contains train/ and val/. Press `{new_run}` in the run list and enter the "
            "folder, or run `convnext-tui --data DIR`. `convnext-tui keys` lists all config keys "
            "that `--set` can change.",
        ),
        Section(
            "Two phases",
            "Phase head trains only the new classifier head; the pretrained backbone is frozen. "
            "Phase full then fine-tunes all weights at a lower learning rate, starting from the "
            "best weights of phase head. Each phase has its own optimizer, learning rate and "
            f"early stopping. By default they last at most {phases.head.epochs} and "
            f"{phases.full.epochs} epochs.",
        ),
        Section(
            "Early stopping",
            "After each epoch the validation loss, or the metric that the phase monitors, is "
            "compared with the best one so far. If it has not improved by min_delta for as many "
            "epochs as the patience, the phase ends: "
            f"{head} in phase head and {full} in phase full by default. The dots show how much of "
            f"the patience is used. {patience} changes it during the phase; the new value takes "
            "effect at the end of the current epoch.",
        ),
        Section(
            "Best epoch",
            "The best epoch has the highest top-1 accuracy on the validation images, or the best "
            "value of the metric that its phase monitors; ties are broken by the lowest loss. Its "
            "weights are in checkpoints/best.pt, those of the best epoch of each phase in "
            "best-head.pt and best-full.pt.",
        ),
        Section(
            "Controlling a run",
            f"{pause} pauses and resumes training, {lr} changes the learning rate, {save} saves a "
            f"checkpoint, {following} ends the phase, {stop} saves a checkpoint and stops the run. "
            "Commands are applied between two steps; the log shows the step, or why the command "
            "was refused.",
        ),
    ]


def _leaving(app: App[Any]) -> list[Section]:
    from core.config.load import load_config
    from tui.screens.queue_actions import QueueActionsScreen
    from tui.screens.run import RunScreen
    from tui.screens.run_list_actions import RunActionsScreen

    minutes = load_config("default").checkpoint.every_minutes
    full, half, low = (BANDWIDTHS[name].tick for name in ("full", "half", "low"))
    quit_key, back, resume = (
        key_for(type(app), "Quit", app),
        key_for(RunScreen, "Back", app),
        key_for(RunScreen, "Resume", app),
    )
    queue = key_for(RunActionsScreen, "Queue", app)
    start = key_for(QueueActionsScreen, "Start worker", app)
    return [
        Section(
            "Quitting",
            f"Training does not need the app. `{quit_key}` asks what to do: `d` closes the app and "
            "training continues in this terminal, `x` saves a checkpoint and stops the run. "
            f"`{back}` only returns to the run list. A lost connection has the effect of `d`. All "
            "events are recorded in the run folder: open the run again from the list.",
        ),
        Section(
            "Resuming",
            "A checkpoint is saved at the end of each epoch, when a run is stopped, and every "
            f"{minutes:g} minutes. `{resume}` on the run screen or in the run list, or "
            "`convnext-tui --resume RUN`, resumes a stopped or interrupted run, in the middle of "
            "an epoch if necessary. On a CPU the result is bit-identical to that of an "
            "uninterrupted run.",
        ),
        Section(
            "Queue",
            f"`{queue}` in the run list opens the queue, whose runs start one after the other in "
            "the background. `F7` in the form for a new run, or `convnext-tui queue add --data "
            f"DIR`, adds a run; `{start}` in the queue or `convnext-tui queue start` starts a "
            "worker. A run that fails does not stop the queue.",
        ),
        Section(
            "Remote runs, SSH",
            "`convnext-tui --detach --data DIR` starts a run that is independent of the terminal. "
            "`convnext-tui attach RUN` opens it, with full control; `convnext-tui ctl RUN pause` "
            "controls it from a script. Both work on any machine that can write to the run folder. "
            f"The app refreshes a run every {full:g} s, over SSH every {half:g} s, with "
            f"`--low-bandwidth` every {low:g} s.",
        ),
    ]


def _folders(runs_dir: Path) -> list[Section]:
    folders = (
        ("runs", str(runs_dir.absolute())),
        ("settings", f"{config_dir()}; also presets"),
        ("cache", f"{cache_dir()}; can be deleted at any time"),
    )
    return [
        Section("Folders", rows=tuple((name, printable(text)) for name, text in folders)),
        Section("Files of a run", rows=tuple(FILES.items())),
    ]
