"""Describe the jobs of a queue in the app: in words, as cells of a table, and in detail."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.text import Text

from core.common import format as fmt
from core.common.text import printable
from core.queue.state import AT_WORK, IN_LINE, OVER, Job, QueueState
from tui.preferences.palettes import Palette, rgb
from tui.text.labels import sentence_case
from tui.text.queue import command_text
from tui.text.symbols import SYMBOLS

_STATE_SYMBOLS = {**SYMBOLS, "waiting": "·", "submitted": "○"}
_COLUMNS = ("position", "job", "state", "starts", "time", "slot", "started", "reason")
_TITLES = {"position": "#"}
_RIGHT = ("position", "job", "time")
_ALWAYS = ("position", "job", "state")
_BY_IMPORTANCE = ("time", "slot", "started")
_LEAST_STARTS, _LEAST_REASON = 24, 24
"""Cells of the texts of any length, below which another column is left out."""
_GAP, _SCROLL_BAR = 2, 2
_ADD_LINES = ("n   open the form for a new run; F7 there adds it to the queue",)
_FLAGS = {
    "--demo": "demo",
    "--vary-split": "varied split",
    "--accept-data-changes": "data changes accepted",
}
"""Options without a value."""


def job_text(job: Job) -> str:
    """Return what a job starts in words: the run's name or data folder first."""
    options = list(_options(job.arguments))
    name = [value for key, value in options if key in ("--name", "name")][-1:]
    data = [_folder_name(value) for key, value in options if key in ("--data", "data.root")][-1:]
    rest = [
        text
        for key, value in options
        if key not in ("--name", "name", "--data", "data.root") and (text := _word(key, value))
    ]
    return printable(", ".join([*name, *data, *rest])) or command_text(job)


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield options with their values, and the keys of `--set` with theirs; an argument that is
    no option has no value."""
    given = iter(arguments)
    for argument in given:
        key, equals, value = argument.partition("=")
        if not argument.startswith("--") or argument in _FLAGS:
            yield argument, ""
        else:
            value = value if equals else next(given, "")
            if key == "--set":
                key, _, value = value.partition("=")
            yield key, value


def _folder_name(value: str) -> str:
    return Path(value).name or value


def _word(key: str, value: str) -> str:
    if key in _FLAGS:
        return _FLAGS[key]
    name = key.removeprefix("--")
    if name == "resume":
        return f"resume {_folder_name(value)}"
    if name == "config":
        return f"preset {_folder_name(value)}"
    if name in ("seeds", "folds") and value.isdecimal():
        return fmt.counted(int(value), name.removesuffix("s"))
    if name == "gpus":
        return f"{value} GPUs" if value != "1" else "1 GPU"
    if name == "seed":
        return f"seed {value}"
    return f"{name}={value}" if value else name


def state_color(state: str, palette: Palette) -> str:
    """Return the color of a job's state; its symbol is unique too."""
    if state in AT_WORK:
        return rgb(palette.train)
    if state in ("stopped", "interrupted"):
        return rgb(palette.val)
    if state == "failed":
        return rgb(palette.bad)
    return rgb(palette.best) if state == "finished" else ""


def ordered(state: QueueState) -> list[Job]:
    """Return all jobs for the screen: those at work, those that wait in order, then those that
    have ended, the last one first."""
    at_work = [job for job in state.jobs if job.state in AT_WORK]
    over = [job for job in state.jobs if job.state in OVER]
    over.sort(key=lambda job: job.ended or 0.0, reverse=True)
    return [*at_work, *state.in_line(), *over]


def seconds_of(job: Job, now: float) -> float | None:
    """Return how long the latest attempt of a job took, or has taken."""
    if job.started is None or job.state in IN_LINE:
        return None
    return max(0.0, (job.ended or now) - job.started)


def cells(job: Job, position: int, now: float, palette: Palette) -> dict[str, Text]:
    """Return the cells of a job in all columns, not shortened; `position` is 0 for a job that does
    not wait."""
    seconds = seconds_of(job, now)
    state = f"{_STATE_SYMBOLS[job.state]} {job.state}{' (stopping)' if job.stopping else ''}"
    texts = {
        "position": str(position) if position else "",
        "job": str(job.number),
        "state": state,
        "starts": job_text(job),
        "time": "" if seconds is None else fmt.duration(seconds),
        "slot": printable(_slot(job)),
        "started": "" if job.started is None else fmt.when(job.started, now),
        "reason": printable(job.reason),
    }
    made = {
        name: Text(text, justify="right" if name in _RIGHT else "left")
        for name, text in texts.items()
    }
    made["state"].stylize(state_color(job.state, palette))
    return made


def _slot(job: Job) -> str:
    if job.state not in AT_WORK:
        return ""
    if job.cluster_job:
        return f"Slurm {job.cluster_job}"
    return job.slot if job.slot.startswith("GPU") or not job.slot else f"slot {job.slot}"


def titles() -> dict[str, Text]:
    """Return the titles of all columns."""
    return {
        name: Text(
            _TITLES.get(name, sentence_case(name)), justify="right" if name in _RIGHT else "left"
        )
        for name in _COLUMNS
    }


def fit(rows: Sequence[Mapping[str, Text]], width: int) -> dict[str, int]:
    """Return the columns shown at a terminal width, each with its width."""
    heads = titles()
    whole = {name: max([0, *(row[name].cell_len for row in rows)]) for name in _COLUMNS}
    wide = {name: max(cells, heads[name].cell_len) for name, cells in whole.items()}
    shown = {name: wide[name] for name in _ALWAYS}
    starts = min(_LEAST_STARTS, wide["starts"])
    free = width - _SCROLL_BAR - sum(cells + _GAP for cells in shown.values()) - starts - _GAP
    for name in _BY_IMPORTANCE:
        if whole[name] and wide[name] + _GAP <= free:
            shown[name] = wide[name]
            free -= wide[name] + _GAP
    if whole["reason"] and free >= _LEAST_REASON + _GAP:
        more = min(wide["starts"] - starts, free - _LEAST_REASON - _GAP)
        starts, free = starts + more, free - more
        shown["reason"] = min(wide["reason"], free - _GAP)
    else:
        starts += max(0, min(free, wide["starts"] - starts))
    shown["starts"] = max(1, starts)
    return {name: shown[name] for name in _COLUMNS if name in shown}


def detail(job: Job, log: Path, now: float) -> str:
    """Return the details of a job: why it failed or waits, its run, and its command line."""
    where = printable(", ".join(part for part in (job.host, _slot(job)) if part))
    attempts = f"attempt {job.attempt}" if job.attempt > 1 else ""
    parts = (
        f"job {job.number}: {job.state}",
        f"run {printable(job.run)}" if job.run else "",
        where if job.state in AT_WORK else "",
        f"started {fmt.when(job.started, now)}" if job.started is not None else "",
        attempts,
    )
    lines = [
        " · ".join(part for part in parts if part),
        printable(job.reason),
        command_text(job),
        f"in {printable(job.folder)}"
        + (f" · log: {printable(str(log))}" if job.started is not None else ""),
    ]
    return "\n".join(line for line in lines if line)


def summary(state: QueueState) -> str:
    """Return the jobs of a queue, counted by state."""
    counts = {name: sum(job.state == name for job in state.jobs) for name in _STATE_SYMBOLS}
    order = ("running", "submitted", "waiting", "interrupted", "failed", "stopped", "finished")
    return " · ".join(f"{fmt.count(counts[name])} {name}" for name in order if counts[name])


def workers_text(state: QueueState, start_key: str, pause_key: str) -> str:
    """Return one sentence about the workers, with the keys that start one or resume the queue."""
    workers = ", ".join(
        f"worker on {printable(worker.host)} with "
        + (fmt.counted(len(worker.slots), "slot") if worker.slots else "as many slots as jobs")
        + (", Slurm" if worker.executor == "slurm" else "")
        + (" (stopping)" if worker.stopping else "")
        for worker in state.workers
    )
    workers = workers or f"no worker is running: {start_key} starts one"
    if state.paused:
        return f"PAUSED: no job is started, {pause_key} resumes · {workers}"
    return workers


def empty_text(runs_dir: Path, read_only: bool) -> str:
    """Return the text shown in an empty queue."""
    lines = [
        f"No jobs in the queue of {printable(str(runs_dir))}",
        "",
        "A queue starts runs and studies one after the other, in the background.",
        "",
        *([] if read_only else [*_ADD_LINES, ""]),
        "From the shell:  convnext-tui queue add --data photos/ --seed 1",
        "                 convnext-tui queue start",
    ]
    return "\n".join(lines)
