"""Names of the files in a run folder and in a runs directory, which never change."""

CONFIG = "config.yaml"
JOURNAL = "events.jsonl"
COMMANDS = "commands.jsonl"
HISTORY = "history.csv"
SPLIT = "split.csv"
LOCK = "lock"
LOG = "log.txt"
NOTES = "notes.yaml"
SNAPSHOT = ".bookmark.json"
CHECKPOINTS = "checkpoints"
EVALUATIONS = "evaluations"
SAMPLES = "samples"

BEST_CHECKPOINT = "best.pt"
LAST_CHECKPOINT = "last.pt"
PREVIOUS_CHECKPOINT = "last-previous.pt"
"""The version of `last.pt` before the newest one."""
MANUAL_CHECKPOINTS = "manual-*.pt"
"""Glob pattern of manually saved checkpoints."""

STUDY = "study.yaml"
"""The definition of a study, whose folder is next to those of its runs."""

RUN_LIST_CACHE = ".runs.json"
TRASH = ".trash"


def best_checkpoint_of(phase: str) -> str:
    """Return the name of the checkpoint with the best weights of a phase."""
    return f"best-{phase}.pt"
