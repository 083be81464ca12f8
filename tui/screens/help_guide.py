"""What a newcomer needs to know, in a page: the help screen's docs.

Keys, defaults and places are looked up where they are decided, so that no sentence here can say
something else than the program does.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textual.app import App

from core.common.text import printable
from core.common.user_dirs import cache_dir, config_dir
from core.run.folder import RunFolder
from tui.preferences.refresh_rates import BANDWIDTHS
from tui.text.key_bindings import key_for

_RUN = RunFolder(Path())
FILES = {
    _RUN.config.name: "every value the run used, defaults included",
    _RUN.journal.name: "everything that happened, one event a line, append only",
    _RUN.history.name: "one row an epoch",
    _RUN.split.name: "every picture used: path, class, split, SHA-256",
    "evaluations/": "what `evaluate` has found, a JSON file each",
    "samples/": "the first training pictures of each phase, as the network gets them",
    _RUN.commands.name: "what other processes asked for, one command a line",
    f"{_RUN.checkpoints.name}/": (
        "`best.pt`, `best-head.pt`, `best-full.pt`, `last.pt` and the one before, `manual-*.pt`"
    ),
    _RUN.lock.name: "held while the run's engine lives",
    _RUN.log.name: "tracebacks and what libraries said",
    _RUN.notes.name: "what you added: name, tags, note, star, archived; may be edited by hand",
    _RUN.bookmark.name: "how far a long `events.jsonl` was read, and what it told so far",
}
"""What is in a run's folder. The README has the same table."""


@dataclass(frozen=True, slots=True)
class Section:
    """A title with a paragraph, or with names and what they mean; keys and commands stand in
    backticks."""

    title: str
    text: str = ""
    rows: tuple[tuple[str, str], ...] = ()


def guide(app: App[Any], runs_dir: Path) -> list[Section]:
    """Return the docs for an app that shows the runs of a folder."""
    return [*_training(app), *_leaving(app), *_places(runs_dir)]


def _training(app: App[Any]) -> list[Section]:
    from core.config.load import load_config  # pydantic, which only who reads this waits for
    from tui.screens.run_controls import RunControlsScreen
    from tui.screens.run_list_actions import RunActionsScreen

    phases = load_config("default").phases
    head, full = phases.head.early_stopping.patience, phases.full.early_stopping.patience
    pause, patience, lr, save, following, stop = (
        f"`{key_for(RunControlsScreen, name, app)}`"
        for name in ("pause", "patience", "lr", "save", "next", "stop")
    )
    return [
        Section(
            "Your own pictures",
            "A folder with one sub folder a class, which are split into train and val, or with "
            f"train/ and val/ in it. `{key_for(RunActionsScreen, 'new run', app)}` in the list asks "
            "for it, `convnext-tui --data DIR` takes it at once; `convnext-tui keys` lists all "
            "that `--set` can change.",
        ),
        Section(
            "Two phases",
            "Phase head trains the new classifier only; the backbone is frozen and keeps what it "
            "learned elsewhere. Phase full then trains everything, gently, from the best weights "
            "of phase head. Each phase has its own optimizer, learning rate and early stopping. "
            f"By default they last at most {phases.head.epochs} and {phases.full.epochs} epochs.",
        ),
        Section(
            "Early stopping",
            "After every epoch the validation loss is compared with the lowest so far. If it has "
            "not fallen by min_delta for as many epochs as the patience says, the phase ends: "
            f"{head} in phase head and {full} in phase full, unless configured otherwise. The "
            f"dots show how much of the patience is used. {patience} changes it while the phase "
            "runs; the new value counts from the running epoch's verdict on.",
        ),
        Section(
            "Best",
            "The best epoch has the highest top-1 on the validation pictures, of equal ones the "
            "lowest loss. Its weights are in checkpoints/best.pt, those of each phase's best in "
            "best-head.pt and best-full.pt.",
        ),
        Section(
            "Steering",
            f"{pause} pauses and goes on, {lr} changes the learning rate, {save} saves a "
            f"checkpoint, {following} ends the phase, {stop} saves and ends the run. Each is done "
            "between two steps and answered in the log, with the step or the reason why not.",
        ),
    ]


def _leaving(app: App[Any]) -> list[Section]:
    from core.config.load import load_config
    from tui.app import ConvNextApp
    from tui.screens.run import RunScreen

    minutes = load_config("default").checkpoint.every_minutes
    full, half, low = (BANDWIDTHS[name].tick for name in ("full", "half", "low"))
    return [
        Section(
            "When you quit",
            f"Training does not need this screen. `{key_for(ConvNextApp, 'quit', app)}` asks: with "
            "`d` the screen closes and training goes on in this terminal, `x` saves a checkpoint "
            f"and stops. `{key_for(RunScreen, 'runs', app)}` only goes back to the list. A lost "
            "connection counts as `d`. Whatever happened is in the run's folder: open it again "
            "from the list.",
        ),
        Section(
            "Going on",
            "A checkpoint is written around every epoch's end, at a stop and every "
            f"{minutes:g} minutes. `{key_for(RunScreen, 'resume', app)}`, in the list too, or "
            "`convnext-tui --resume RUN` goes on with a run that was stopped or interrupted, in "
            "the middle of an epoch if need be; on a CPU to the same bytes as one that never "
            "stopped.",
        ),
        Section(
            "From elsewhere, over SSH",
            "`convnext-tui --detach --data DIR` starts a run that belongs to no terminal. "
            "`convnext-tui attach RUN` shows and steers it, `convnext-tui ctl RUN pause` steers it "
            "from a script; both from any machine that can write the run's folder. The app looks "
            f"at a run every {full:g} s, over SSH every {half:g} s, with `--low-bandwidth` every "
            f"{low:g} s.",
        ),
    ]


def _places(runs_dir: Path) -> list[Section]:
    places = (
        ("runs", str(runs_dir.absolute())),
        ("settings", f"{config_dir()}; presets too"),
        ("cache", f"{cache_dir()}; may be deleted at any time"),
    )
    return [
        Section("Where things are", rows=tuple((name, printable(text)) for name, text in places)),
        Section("Files of a run", rows=tuple(FILES.items())),
    ]
