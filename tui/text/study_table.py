"""A study as text: its members with their results, for standard output."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.analysis.evaluation_metrics import METRIC_NAMES
from core.common import format as fmt
from core.common.text import printable
from core.study.definition import FOLDS, SEEDS
from core.study.state import MemberState, StudyState
from tui.text.symbols import SYMBOLS

_SHOWN_METRICS = ("top1", "macro_f1", "loss")
_NUMBERS = ("epochs", "best val top-1", "best val loss", "time")


def print_study(console: Console, state: StudyState, figures: Mapping[str, Any] | None) -> None:
    """Print a study: a line about it, the table of its members, and the results of all of them;
    `figures` are those of the out-of-fold predictions."""
    study = state.study
    counts = ", ".join(
        f"{len(state.of_status(status))} {status}"
        for status in dict.fromkeys(member.status for member in state.members)
    )
    headline = f"  {study_kind(state)}: {printable(counts)}"
    console.print(
        Text.assemble((printable(study.name), "bold"), headline, ("  study ", "dim"), study.id)
    )
    console.print(_table(state))
    for line in result_lines(state, figures):
        console.print(Text(line))


def study_kind(state: StudyState) -> str:
    """Return the kind of a study and the number of its members in words."""
    nouns = {SEEDS: "seed", FOLDS: "fold"}
    return fmt.counted(len(state.members), nouns.get(state.study.kind, "trial"))


def result_lines(state: StudyState, figures: Mapping[str, Any] | None) -> list[str]:
    """Return mean and standard deviation of the best val top-1, and the out-of-fold figures."""
    lines = []
    if state.top1 is not None:
        mean, std, number = state.top1
        spread = f" ± {fmt.percent(std)}" if std is not None else ""
        of = fmt.counted(number, "finished run")
        lines.append(f"best val top-1  {fmt.percent(mean)}{spread} (mean ± std of {of})")
    if figures is not None:
        shown = ", ".join(_metric(name, figures) for name in _SHOWN_METRICS if name in figures)
        images = fmt.counted(int(figures.get("images", 0)), "image")
        lines.append(f"out of fold     {shown}; {images}, 95% intervals")
    return lines


def member_result(member: MemberState) -> str:
    """Return how a member has ended, in words."""
    text = printable(member.status)
    if member.status == "failed":
        return f"{text}: {printable(member.reason)}"
    if member.run is None:
        return text
    best = f", best val top-1 {fmt.percent(member.best_val_top1)}"
    return f"{text}{best}, {fmt.duration(member.run.seconds)}"


def _table(state: StudyState) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("member", "status", "run", *_NUMBERS):
        justify = "right" if title in _NUMBERS else "left"
        table.add_column(title, justify=justify, overflow="ellipsis", no_wrap=True)  # type: ignore[arg-type]
    for member in state.members:
        run = member.run
        status = printable(member.status)
        # A run that failed later says why itself: `show RUN`.
        place = printable(run.id) if run else printable(member.reason)
        table.add_row(
            Text(member.member.label),
            Text(f"{SYMBOLS.get(status, '·')} {status}"),
            Text(place),
            Text(str(sum(run.epochs.values())) if run else fmt.NONE),
            Text(fmt.percent(member.best_val_top1)),
            Text(fmt.loss(run.best_val_loss if run else None)),
            Text(fmt.duration(run.seconds if run else None)),
        )
    return table


def _metric(name: str, figures: Mapping[str, Any]) -> str:
    shown = fmt.loss if name == "loss" else fmt.percent
    try:
        low, high = (shown(float(value)) for value in figures["intervals"][name])
        return f"{METRIC_NAMES[name].short} {shown(float(figures[name]))} ({low} to {high})"
    except (KeyError, TypeError, ValueError):  # an edited file
        return f"{METRIC_NAMES[name].short} {fmt.NONE}"
