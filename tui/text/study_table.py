"""A study as text: its members with their results, for standard output."""

from collections.abc import Mapping
from typing import Any

from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from core.analysis.evaluation_metrics import METRIC_NAMES
from core.common import format as fmt
from core.common.text import printable
from core.study.definition import FOLDS, SEEDS
from core.study.state import MemberState, StudyState
from tui.text.elide import elided
from tui.text.symbols import SYMBOLS

_GAP, _FEWEST_CELLS = 2, 12
_SHOWN_METRICS = ("top1", "macro_f1", "loss")
_TITLES = ("member", "status", "run", "epochs", "best top-1", "best loss", "time")
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


def member_result(member: MemberState) -> str:
    """Return how a member has ended, in words."""
    text = printable(member.status)
    if member.status == "failed":
        return f"{text}: {printable(member.reason)}"
    if member.run is None:
        return text
    best = f", best val top-1 {fmt.percent(member.best_val_top1)}"
    return f"{text}{best}, {fmt.duration(member.run.seconds)}"


def _table(state: StudyState, width: int) -> Table:
    rows = [_row(member) for member in state.members]
    columns = dict(zip(_TITLES, map(list, zip(*rows, strict=True)), strict=True))
    others = sum(
        max(map(cell_len, (title, *cells))) + _GAP
        for title, cells in columns.items()
        if title != "run"
    )
    # The id of a run begins with its start and ends with its seed or fold.
    room = max(_FEWEST_CELLS, width - others)
    columns["run"] = [elided(text, room) for text in columns["run"]]
    table = Table(box=None, pad_edge=False)
    for title in _TITLES:
        justify: JustifyMethod = "right" if title in _NUMBERS else "left"
        table.add_column(title, justify=justify, overflow="ellipsis", no_wrap=True)
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, cells))
    return table


def _row(member: MemberState) -> list[str]:
    run, status = member.run, printable(member.status)
    return [
        printable(member.member.label),
        f"{SYMBOLS.get(status, '·')} {status}",
        # Without a run it could not start; a run that failed says why itself: `show RUN`.
        printable(run.id if run else member.reason),
        str(sum(run.epochs.values())) if run else fmt.NONE,
        fmt.percent(member.best_val_top1),
        fmt.loss(run.best_val_loss if run else None),
        fmt.duration(run.seconds if run else None),
    ]


def _metric(name: str, figures: Mapping[str, Any]) -> str:
    shown = fmt.loss if name == "loss" else fmt.percent
    try:
        low, high = (shown(float(value)) for value in figures["intervals"][name])
        return f"{METRIC_NAMES[name].short:<12}  {shown(float(figures[name]))} ({low} to {high})"
    except (KeyError, TypeError, ValueError):  # an edited file
        return f"{METRIC_NAMES[name].short:<12}  {fmt.NONE}"
