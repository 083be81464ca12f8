"""Table of a study's members: their results and the values of the varied keys."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.text import Text

from core.common import format as fmt
from core.common.nested import flatten_recorded
from core.common.text import printable
from core.study.definition import SWEEP
from core.study.run_groups import MEMBER_KEYS
from core.study.state import MemberState, study_objective, varied_keys
from core.study.study_summary import StudySummary
from core.study.sweep.objective import DEFAULT
from core.study.sweep.results import swept_keys
from tui.preferences.palettes import DARK, Palette, rgb
from tui.text.elide import elided
from tui.text.labels import sentence_case
from tui.text.run_list import BEST, status_color
from tui.text.symbols import SYMBOLS

_VALUE_CELLS = 24
_FEW_VALUES = 4
"""Values of keys in a sentence."""
MEMBER = "member"
Sorting = tuple[str, bool]
"""Key of a column, and whether its largest value comes first."""
BY_NUMBER: Sorting = (MEMBER, False)


@dataclass(frozen=True, slots=True)
class MemberColumn:
    """A column of the table."""

    key: str
    title: str
    text: Callable[[MemberState], str]
    value: Callable[[MemberState], float | str | None]
    """What the rows are sorted by; None comes last."""
    is_number: bool = True
    largest_first: bool = False


def member_columns(study: StudySummary) -> list[MemberColumn]:
    """Return the columns: the results, the varied keys, and what else is known."""
    columns = [
        MemberColumn(MEMBER, "member", lambda m: m.member.label, lambda m: m.member.number, False)
    ]
    columns += _objective(study)
    columns += [
        MemberColumn("top1", "best top-1", lambda m: fmt.percent(m.best_val_top1),
                     lambda m: m.best_val_top1, largest_first=True),
        MemberColumn("status", "status", lambda m: printable(m.status), lambda m: m.status, False),
        *_varied(study),
        MemberColumn("loss", "best loss", lambda m: fmt.loss(_loss(m)), _loss),
        MemberColumn("epochs", "epochs", _epochs_text, _epochs, largest_first=True),
        MemberColumn("time", "time", lambda m: fmt.duration(m.run.seconds if m.run else None),
                     lambda m: m.run.seconds if m.run else None, largest_first=True),
    ]  # fmt: skip
    return columns


def _objective(study: StudySummary) -> list[MemberColumn]:
    """Return the column of a sweep's objective, unless it is the best val top-1."""
    if study.study is None or study.kind != SWEEP or study.problem:
        return []
    objective = study_objective(study.study)
    if objective.figure == DEFAULT:
        return []
    return [
        MemberColumn("objective", objective.label, lambda m: objective.text(m.objective),
                     lambda m: m.objective, largest_first=objective.maximize)
    ]  # fmt: skip


def shown_keys(study: StudySummary) -> list[str]:
    """Return the varied keys that have a column: those that the labels of the members don't say."""
    state = study.state
    if state is None:
        return []
    if study.kind == SWEEP:
        return list(swept_keys(state.study))
    return [key for key in varied_keys(state) if key not in MEMBER_KEYS]


def short_keys(keys: Sequence[str]) -> dict[str, str]:
    """Return the shortest ends of dotted keys that tell them apart."""
    found = {}
    for key in keys:
        parts = key.split(".")
        # `name` alone does not say of what.
        first = 2 if parts[-1] == "name" else 1
        ends = (".".join(parts[-n:]) for n in range(first, len(parts) + 1))
        others = [other for other in keys if other != key]
        found[key] = next(
            (end for end in ends if not any(f".{other}".endswith(f".{end}") for other in others)),
            key,
        )
    return found


def _varied(study: StudySummary) -> list[MemberColumn]:
    keys = shown_keys(study)
    values = {m.member.number: flatten_recorded(dict(m.member.values)) for m in study.members}
    titles = short_keys(keys)

    def column(key: str) -> MemberColumn:
        def of(member: MemberState) -> str | None:
            return values.get(member.member.number, {}).get(key)

        texts = [text for each in values.values() if (text := each.get(key)) is not None]
        return MemberColumn(
            f"key {key}",
            printable(titles[key]),
            lambda m: value_text(of(m)),
            lambda m: _sortable(of(m)),
            all(isinstance(_sortable(text), float) for text in texts),
        )

    return [column(key) for key in keys]


def value_text(text: str | None) -> str:
    """Return the value of a config key in a few cells: numbers with four significant digits."""
    if text is None:
        return fmt.NONE
    value = _sortable(text)
    if isinstance(value, float) and math.isfinite(value) and "." in text + ("." * ("e" in text)):
        return f"{value:.4g}"
    return elided(printable(text), _VALUE_CELLS)


def _sortable(text: str | None) -> float | str | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def _loss(member: MemberState) -> float | None:
    return member.run.best_val_loss if member.run else None


def _epochs(member: MemberState) -> int | None:
    return sum(member.run.epochs.values()) if member.run else None


def _epochs_text(member: MemberState) -> str:
    epochs = _epochs(member)
    return fmt.NONE if epochs is None else str(epochs)


def sorted_members(
    members: Sequence[MemberState], columns: Sequence[MemberColumn], sorting: Sorting
) -> list[MemberState]:
    """Return the members in order; those without a value come last."""
    key, descending = sorting
    column = next((each for each in columns if each.key == key), columns[0])

    def order(member: MemberState) -> tuple[bool, float, str]:
        value = column.value(member)
        number = value if isinstance(value, int | float) else math.inf
        return isinstance(value, str), number, value if isinstance(value, str) else ""

    def is_known(member: MemberState) -> bool:
        value = column.value(member)
        return value is not None and not (isinstance(value, float) and math.isnan(value))

    known = sorted(filter(is_known, members), key=order, reverse=descending)
    return [*known, *(member for member in members if not is_known(member))]


def member_titles(columns: Sequence[MemberColumn], sorting: Sorting) -> dict[str, Text]:
    """Return the titles of the columns, with an arrow at the one that the rows are sorted by."""
    arrow = " ▼" if sorting[1] else " ▲"
    return {
        column.key: Text(
            (column.title if column.key.startswith("key ") else sentence_case(column.title))
            + (arrow if column.key == sorting[0] else ""),
            justify="right" if column.is_number else "left",
        )
        for column in columns
    }


def member_cells(
    member: MemberState,
    columns: Sequence[MemberColumn],
    best: MemberState | None,
    palette: Palette = DARK,
) -> list[Text]:
    """Return the cells of a member."""
    is_best = best is not None and best.member.number == member.member.number
    color = status_color(member.status, palette)
    cells = []
    for column in columns:
        text = Text(justify="right" if column.is_number else "left")
        if column.key == MEMBER:
            text.append(f"{SYMBOLS.get(member.status, '?')} ", color)
            text.append(printable(column.text(member)))
            text.append(f" {BEST}" if is_best else "", f"bold {rgb(palette.best)}")
        else:
            text.append(column.text(member), color if column.key == "status" else "")
        cells.append(text)
    return cells


def member_detail(member: MemberState | None, study: StudySummary) -> str:
    """Return the details of the selected member: its run, why it failed, and its values."""
    if member is None:
        return ""
    run = printable(member.run.id) if member.run else "no run yet"
    lines = [f"{printable(member.member.label)} · {printable(member.status)} · {run}"]
    if member.reason and member.status != "finished":
        lines.append(printable(member.reason))
    values = flatten_recorded(dict(member.member.values))
    shown = [f"{key} {value_text(value)}" for key, value in values.items()]
    if shown and shown_keys(study):
        lines.append(printable(first_of(shown, " · ")))
    return "\n".join(lines)


def first_of(values: Sequence[str], separator: str) -> str:
    """Return a few values of keys as text, and the number of the others, which are in the table."""
    shown = separator.join(values[:_FEW_VALUES])
    left = len(values) - _FEW_VALUES
    return f"{shown}{separator}{fmt.counted(left, 'more key')}" if left > 0 else shown
