"""Which pictures of a run there are to look at, and what is said of each: without a terminal."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from core.common import format as fmt
from core.common.text import printable
from core.data.source import Location
from core.events import types as ev
from core.events.evaluation_parts import Mistake
from core.run.state import RunState
from tui.text.class_metrics import empty_text, epoch_label, other_epoch_hint
from tui.viewmodel.images import Loaded, load, load_sheet, resolve

MISTAKES = "mistakes"
_OUTSIDE = "lies outside of its folder: it is not read"


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture: its line in the list, what stands below it, and how to come by it."""

    line: str
    caption: str
    path: Location | None
    """What a person may copy."""
    load: Callable[[], Loaded] = field(compare=False)


def views(state: RunState) -> list[str]:
    """Return what can be looked at: the mistakes, and the samples of each phase."""
    return [MISTAKES, *state.evaluations.samples]


def mistakes(state: RunState, best: bool) -> list[Entry]:
    """Return the most confident mistakes of the latest or the best epoch."""
    event = state.evaluations.best if best else state.evaluations.latest
    found = event.mistakes if event else []
    return [_mistake(state, mistake) for mistake in found]


def list_title(state: RunState, view: str, best: bool) -> str:
    """Return what stands over the list: for mistakes, how many of all it has."""
    if view != MISTAKES:
        return "samples"
    event = state.evaluations.best if best else state.evaluations.latest
    wrong = sum(event.support) - sum(event.correct) if event else 0
    shown = len(event.mistakes) if event else 0
    return f"surest {shown} of {fmt.count(wrong)}" if shown < wrong else "surest first"


def _mistake(state: RunState, mistake: Mistake) -> Entry:
    truth, predicted = _name(state, mistake.truth), _name(state, mistake.predicted)
    sure = fmt.percent(mistake.confidence, 1)
    path = _picture(state, mistake.path)
    return Entry(
        line=f"{sure:>7}  {truth} taken for {predicted}",
        caption=f"{truth}, taken for {predicted}, {sure} sure\n{printable(mistake.path)}",
        path=path,
        load=partial(load, path) if path else partial(Loaded, None, _OUTSIDE),
    )


def samples(state: RunState, phase: str, run: Path) -> list[Entry]:
    """Return the first training pictures of a phase: all together, then each of them."""
    event = state.evaluations.samples.get(phase)
    if event is None:
        return []
    sheet = resolve(str(run), event.path)
    count = min(len(event.files), len(event.labels), 64)
    whole = Entry(
        line=f"all {count} together",
        caption=f"the first training pictures of phase {printable(phase)}, as the network gets "
        f"them\n{printable(event.path)}",
        path=sheet,
        load=partial(load, sheet) if sheet else partial(Loaded, None, _OUTSIDE),
    )
    return [whole, *(_sample(state, event, sheet, number) for number in range(count))]


def _sample(state: RunState, event: ev.SamplesSaved, sheet: Location | None, number: int) -> Entry:
    name, file = _name(state, event.labels[number]), event.files[number]
    return Entry(
        line=f"{number + 1:>3}  {name}",
        caption=f"{name}, {event.side} × {event.side}, as the network gets it\n"
        f"made of {printable(file)}",
        path=_picture(state, file),
        load=partial(_cut, sheet, event.side, event.columns, number),
    )


def _cut(sheet: Location | None, side: int, columns: int, number: int) -> Loaded:
    if sheet is None:
        return Loaded(None, _OUTSIDE)
    return load_sheet(sheet, side, columns, number + 1)[number]


def _name(state: RunState, label: int) -> str:
    classes = state.data.classes if state.data else []
    known = classes[label] if 0 <= label < len(classes) else ""
    return printable(known or f"class {label}")


def _picture(state: RunState, path: str) -> Location | None:
    return resolve(state.data.root, path) if state.data else None


def title(state: RunState, view: str, best: bool) -> str:
    """Return what is looked at, in words, and the keys that change it."""
    others = views(state)
    following = others[(others.index(view) + 1) % len(others)] if view in others else MISTAKES
    keys = ["w why", "y copy"]
    if following != view:
        name = MISTAKES if following == MISTAKES else f"samples of {printable(following)}"
        keys.insert(0, f"v {name}")
    if view != MISTAKES:
        return f"first training pictures of phase {printable(view)} │ {'  '.join(keys)}"
    event = state.evaluations.best if best else state.evaluations.latest
    where = f" · {epoch_label(event, best)}" if event else ""
    return f"mistakes{where} │ {'  '.join([other_epoch_hint(best), *keys])}"


def nothing(state: RunState, status: str, view: str, best: bool) -> str:
    """Return why there is no picture, and what to do."""
    if view != MISTAKES:
        return "There are no samples of this phase."
    event = state.evaluations.best if best else state.evaluations.latest
    if event:
        return "No picture was taken for another class."
    text = empty_text(state, status, best).replace("Figures by class", "Mistakes")
    return text.replace("figures by class", "mistakes")
