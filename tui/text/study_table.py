"""A study as text: its members with their results, for standard output."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from core.analysis.evaluation_metrics import METRIC_NAMES
from core.common import format as fmt
from core.common.nested import yaml_text
from core.common.text import printable
from core.study.definition import FOLDS, SEEDS, SWEEP
from core.study.state import MemberState, StudyState, study_objective
from core.study.sweep.objective import Objective
from core.study.sweep.results import swept_keys
from tui.text.elide import elided
from tui.text.symbols import SYMBOLS

_GAP, _FEWEST_CELLS = 2, 12
_SHOWN_METRICS = ("top1", "macro_f1", "loss")
_TITLES = ("member", "status", "run", "epochs", "best top-1", "best loss", "time")
_LEFT_OUT = ("time", "run", "epochs")
"""Columns of a sweep that are left out, in this order, where all are too wide."""
_NUMBERS = ("epochs", "best top-1", "best loss", "time")


def print_study(console: Console, state: StudyState, figures: Mapping[str, Any] | None) -> None:
    """Print a study: a line about it, the table of its members, and the results of all of them;
    `figures` are those of the out-of-fold predictions."""
    study = state.study
    counts = ", ".join(
        f"{len(state.of_status(status))} {status}"
        for status in dict.fromkeys(member.status for member in state.members)
    )
    headline = f"  {study_kind(state)}: {printable(counts)}"
    console.print(Text.assemble((printable(study.name), "bold"), headline))
    console.print(Text.assemble(("study ", "dim"), printable(study.id)))
    console.print(_table(state, console.width))
    for line in result_lines(state, figures):
        console.print(Text(line))


def study_kind(state: StudyState) -> str:
    """Return the kind of a study and the number of its members in words."""
    nouns = {SEEDS: "seed", FOLDS: "fold"}
    return fmt.counted(len(state.members), nouns.get(state.study.kind, "trial"))


def result_lines(state: StudyState, figures: Mapping[str, Any] | None) -> list[str]:
    """Return mean and standard deviation of the best val top-1, and the out-of-fold figures."""
    lines = []
    if state.study.kind == SWEEP:
        return _best_trial(state)
    if state.top1 is not None:
        mean, std, number = state.top1
        spread = f" ± {fmt.percent(std)}" if std is not None else ""
        of = fmt.counted(number, "finished run")
        lines.append(f"best val top-1  {fmt.percent(mean)}{spread} (mean ± std of {of})")
    if figures is not None:
        images = fmt.counted(figures["images"], "image")
        lines.append(f"out of fold     {images}, with 95% intervals")
        lines += [f"  {_metric(name, figures)}" for name in _SHOWN_METRICS if name in figures]
    return lines


def _best_trial(state: StudyState) -> list[str]:
    best, objective = state.best, study_objective(state.study)
    if best is None:
        return []
    values = values_text(best.member.values)
    return [f"{objective.label}  {objective.text(best.objective)} in {best.member.label}: {values}"]


def values_text(values: Mapping[str, Any]) -> str:
    """Return config keys with their values, numbers rounded."""
    return ", ".join(f"{key}={value_text(value)}" for key, value in values.items())


def value_text(value: object) -> str:
    """Return the value of a config key, a number rounded."""
    return f"{value:.4g}" if isinstance(value, float) else printable(yaml_text(value))


def member_result(member: MemberState, objective: Objective) -> str:
    """Return how a member has ended, in words."""
    text = printable(member.status)
    if member.status == "failed":
        return f"{text}: {printable(member.reason)}"
    if member.run is None:
        return text
    value = member.objective if member.is_trial else member.best_val_top1
    best = f", {objective.label} {objective.text(value)}"
    return f"{text}{best}, {fmt.duration(member.run.seconds)}"


def _table(state: StudyState, width: int) -> Table:
    objective = study_objective(state.study)
    swept = short_keys(list(swept_keys(state.study)), (*_TITLES, objective.label))
    rows = [_row(member, swept, objective) for member in state.members]
    columns = {title: [row[title] for row in rows] for title in rows[0]}
    widths = {t: max(map(cell_len, (t, *cells))) + _GAP for t, cells in columns.items()}
    widths["run"] = _FEWEST_CELLS + _GAP
    for title in _LEFT_OUT if swept else ():
        if sum(widths.values()) > width:
            del columns[title], widths[title]
    if "run" in columns:
        # The id of a run begins with its start and ends with its seed, fold or trial.
        room = max(_FEWEST_CELLS, width - sum(widths.values()) + widths["run"])
        columns["run"] = [elided(text, room) for text in columns["run"]]
    table = Table(box=None, pad_edge=False)
    for title in columns:
        is_number = title in _NUMBERS or title == objective.label
        is_swept = title in swept.values()
        justify: JustifyMethod = "right" if is_number or is_swept else "left"
        table.add_column(Text(title), justify=justify, overflow="ellipsis", no_wrap=True)
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, cells))
    return table


def short_keys(keys: Sequence[str], taken: Sequence[str] = ()) -> dict[str, str]:
    """Return config keys by name, each shortened to the parts at its end that no other one has;
    none is one of the names in `taken`."""
    shown = {}
    for key in keys:
        parts = key.split(".")
        ends = (".".join(parts[-count:]) for count in range(1, len(parts)))
        unique = (end for end in ends if _fitting(end, keys) == 1 and end not in taken)
        shown[key] = next(unique, key)
    return shown


def _fitting(end: str, keys: Sequence[str]) -> int:
    return sum(f".{key}".endswith(f".{end}") for key in keys)


def _row(member: MemberState, swept: Mapping[str, str], objective: Objective) -> dict[str, str]:
    run, status = member.run, printable(member.status)
    values = member.member.values
    cells = {
        "member": printable(member.member.label),
        **{
            title: value_text(values[key]) if key in values else fmt.NONE
            for key, title in swept.items()
        },
        "status": f"{SYMBOLS.get(status, '·')} {status}",
        # Without a run it could not start; a run that failed says why itself: `show RUN`.
        "run": printable(run.id if run else member.reason),
        "epochs": str(sum(run.epochs.values())) if run else fmt.NONE,
        "best top-1": fmt.percent(member.best_val_top1),
        "best loss": fmt.loss(run.best_val_loss if run else None),
        "time": fmt.duration(run.seconds if run else None),
    }
    if not member.is_trial:
        return cells
    judged = {"best top-1", "best loss"}
    kept = {title: text for title, text in cells.items() if title not in judged}
    return {**kept, objective.label: objective.text(member.objective)}


def _metric(name: str, figures: Mapping[str, Any]) -> str:
    shown = fmt.loss if name == "loss" else fmt.percent
    try:
        low, high = (shown(float(value)) for value in figures["intervals"][name])
        return f"{METRIC_NAMES[name].short:<12}  {shown(float(figures[name]))} ({low} to {high})"
    except (KeyError, TypeError, ValueError):  # an edited file
        return f"{METRIC_NAMES[name].short:<12}  {fmt.NONE}"
