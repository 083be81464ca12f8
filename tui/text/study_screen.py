"""Sentences of the study screen: its first lines, and bars of how much each key matters."""

from collections.abc import Mapping
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from core.analysis.evaluation_metrics import METRIC_NAMES
from core.common import format as fmt
from core.common.text import printable
from core.run.state import ACTIVE
from core.study.definition import SWEEP
from core.study.run_groups import GroupResult
from core.study.state import FINISHED, PRUNED, study_objective
from core.study.study_summary import StudySummary
from tui.preferences.palettes import Palette, rgb
from tui.text.elide import elided
from tui.text.member_table import first_of, short_keys
from tui.text.study_row import counts_text, kind_text
from tui.text.study_statistics import PERCENT, mean_interval, mean_std
from tui.text.symbols import SYMBOLS

_BAR, _LONGEST_KEY = "━", 32
_SHOWN_METRICS = ("top1", "macro_f1", "loss")


def headline(study: StudySummary) -> str:
    """Return the first line: name, kind, and the numbers of members by status."""
    symbol = SYMBOLS.get(study.row.status, "?")
    kind = kind_text(study) if study.kind else "study"
    counts = counts_text(study) or "no runs yet"
    return f"{symbol} {printable(study.row.name)} · {kind} · {counts}"


def result_line(study: StudySummary, result: GroupResult | None) -> str:
    """Return mean, standard deviation and interval of the results, and the best member."""
    best = study.best
    if study.kind == SWEEP and study.study is not None and not study.problem:
        return _sweep_line(study)
    number = len([m for m in study.members if m.status == FINISHED])
    if not number or result is None or study.top1.mean is None:
        return "no finished runs yet: mean and interval are those of finished runs"
    summary = result.summaries[0]
    text = f"best val top-1 {mean_std(study.top1, PERCENT)}"
    if summary.low is not None:
        interval = mean_interval(summary, PERCENT)
        text += f", 95% interval of the mean {interval}"
    elif number > 1:
        text += " (all results are equal)"
    text += f", {fmt.counted(number, 'finished run')}"
    if best is not None and number > 1:
        text += f" · best {printable(best.member.label)} {fmt.percent(best.best_val_top1)}"
    return text


def _sweep_line(study: StudySummary) -> str:
    assert study.study is not None
    objective, best = study_objective(study.study), study.best
    over = len([m for m in study.members if m.status in (FINISHED, PRUNED)])
    progress = f"{over} of {fmt.counted(len(study.members), 'trial')} done"
    if best is None:
        return f"no finished trials yet · {progress}"
    values = best.member.values
    names = short_keys(list(values))
    shown = first_of([f"{names[key]} {_short(value)}" for key, value in values.items()], ", ")
    value = objective.text(best.objective)
    return f"{objective.label} {value} in {best.member.label} · {progress} · {printable(shown)}"


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def progress_line(study: StudySummary, figures: Mapping[str, Any] | None) -> str:
    """Return what is wrong or in progress, or else the figures over all folds."""
    if study.problem:
        return printable(study.problem)
    parts = []
    for member in study.members:
        if member.status in ACTIVE and member.run:
            epochs = sum(member.run.epochs.values())
            label = f"{printable(member.status)}: {printable(member.member.label)}"
            best = f", best {fmt.percent(member.best_val_top1)}" if epochs else ""
            parts.append(f"{label}, {fmt.counted(epochs, 'epoch')} done{best}")
    if study.is_working and not parts:
        parts.append("running: between two runs")
    if not parts and study.row.reason:
        parts.append(printable(study.row.reason))
    if figures is not None:
        parts.append(" · ".join(figure_lines(figures)))
    return " · ".join(parts)


def figure_lines(figures: Mapping[str, Any]) -> list[str]:
    """Return the figures of the out-of-fold predictions with their intervals, a line each."""
    images = fmt.counted(int(figures["images"]), "image")
    shown = [_metric(name, figures) for name in _SHOWN_METRICS if name in figures]
    return [f"out of fold, {images}", *shown]


def _metric(name: str, figures: Mapping[str, Any]) -> str:
    text = fmt.loss if name == "loss" else fmt.percent
    short = METRIC_NAMES[name].short
    try:
        low, high = (text(float(value)) for value in figures["intervals"][name])
        return f"{short} {text(float(figures[name]))} ({low} to {high})"
    except (KeyError, TypeError, ValueError):  # an edited file
        return f"{short} {fmt.NONE}"


def importance_bars(
    importances: Mapping[str, float], width: int, rows: int, palette: Palette
) -> Text:
    """Return a bar for each key, the longest for the one that matters most; of keys that don't fit
    into `rows` lines the number."""
    if not importances:
        return Text(
            "Importances need at least two finished trials with different results.", justify="left"
        )
    names = {key: elided(printable(key), _LONGEST_KEY) for key in importances}
    cells = max(map(cell_len, names.values()))
    room = max(4, width - cells - 8)
    most = max(importances.values()) or 1.0
    lines = []
    number = len(importances) if len(importances) <= rows else max(1, rows - 1)
    for key, share in list(importances.items())[:number]:
        bar = _BAR * max(1 if share > 0 else 0, round(room * share / most))
        name = names[key] + " " * (cells - cell_len(names[key]))
        lines.append(
            Text.assemble(f"{name} {fmt.percent(share, 0):>4} ", (bar, rgb(palette.train)))
        )
    if number < len(importances):
        lines.append(Text(f"and {fmt.counted(len(importances) - number, 'more key')}"))
    return Text("\n", no_wrap=True).join(lines)
