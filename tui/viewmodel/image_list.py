"""List the misclassified images and training samples of a run, with captions."""

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
from tui.viewmodel.images import LoadedImage, load, load_sheet, resolve_image

MISCLASSIFIED = "misclassified"
_OUTSIDE = "is outside its folder and is not read"


@dataclass(frozen=True, slots=True)
class Entry:
    """An image: its line in the list, its caption, and how to load it."""

    line: str
    caption: str
    path: Location | None
    """File to copy the path of."""
    load: Callable[[], LoadedImage] = field(compare=False)


def views(state: RunState) -> list[str]:
    """Return the views: misclassified images, and the training samples of each phase."""
    return [MISCLASSIFIED, *state.evaluations.samples]


def misclassified(state: RunState, best: bool) -> list[Entry]:
    """Return the most confident errors of the latest or the best epoch."""
    event = state.evaluations.best if best else state.evaluations.latest
    mistakes = event.mistakes if event else []
    return [_misclassified(state, mistake) for mistake in mistakes]


def list_title(state: RunState, view: str, best: bool) -> str:
    """Return the title of the list; for misclassified images, with the number of errors."""
    if view != MISCLASSIFIED:
        return "Training samples"
    event = state.evaluations.best if best else state.evaluations.latest
    errors = sum(event.support) - sum(event.correct) if event else 0
    shown = len(event.mistakes) if event else 0
    if shown < errors:
        return f"{shown} most confident of {fmt.counted(errors, 'error')}"
    return "Most confident first"


def _misclassified(state: RunState, mistake: Mistake) -> Entry:
    truth, predicted = _name(state, mistake.truth), _name(state, mistake.predicted)
    confidence = fmt.percent(mistake.confidence, 1)
    path = _image(state, mistake.path)
    return Entry(
        line=f"{confidence:>6}  {truth} predicted as {predicted}",
        caption=f"{truth} predicted as {predicted} ({confidence})\n{printable(mistake.path)}",
        path=path,
        load=partial(load, path, _ranges(state)) if path else partial(LoadedImage, None, _OUTSIDE),
    )


def samples(state: RunState, phase: str, run: Path) -> list[Entry]:
    """Return the first training samples of a phase: all in one sheet, then each alone."""
    event = state.evaluations.samples.get(phase)
    if event is None:
        return []
    sheet = resolve_image(str(run), event.path)
    count = min(len(event.files), len(event.labels), 64)
    whole = Entry(
        line=f"all {fmt.counted(count, 'sample')}",
        caption=f"first training samples of phase {printable(phase)}, as the model receives them\n"
        f"{printable(event.path)}",
        path=sheet,
        load=partial(load, sheet) if sheet else partial(LoadedImage, None, _OUTSIDE),
    )
    return [whole, *(_sample(state, event, sheet, number) for number in range(count))]


def _sample(state: RunState, event: ev.SamplesSaved, sheet: Location | None, number: int) -> Entry:
    name, file = _name(state, event.labels[number]), event.files[number]
    return Entry(
        line=f"{number + 1:>3}  {name}",
        caption=f"{name}, {event.side} × {event.side}, as the model receives it\n"
        f"from {printable(file)}",
        path=_image(state, file),
        load=partial(_cut, sheet, event.side, event.columns, number),
    )


def _cut(sheet: Location | None, side: int, columns: int, number: int) -> LoadedImage:
    if sheet is None:
        return LoadedImage(None, _OUTSIDE)
    return load_sheet(sheet, side, columns, number + 1)[number]


def _name(state: RunState, label: int) -> str:
    classes = state.data.classes if state.data else []
    known = classes[label] if 0 <= label < len(classes) else ""
    return printable(known or f"class {label}")


def _ranges(state: RunState) -> dict[str, list[float]] | None:
    return state.data.value_ranges if state.data else None


def _image(state: RunState, path: str) -> Location | None:
    return resolve_image(state.data.root, path) if state.data else None


def title(state: RunState, view: str, best: bool) -> str:
    """Return the title of a view, with the keys that change it."""
    others = views(state)
    following = others[(others.index(view) + 1) % len(others)] if view in others else MISCLASSIFIED
    keys = ["w explain", "y copy"]
    if following != view:
        name = "errors" if following == MISCLASSIFIED else f"samples, {printable(following)}"
        keys.insert(0, f"v {name}")
    if view != MISCLASSIFIED:
        return f"training samples, {printable(view)} │ {'  '.join(keys)}"
    event = state.evaluations.best if best else state.evaluations.latest
    where = f" · {epoch_label(event, best)}" if event else ""
    return f"errors{where} │ {'  '.join([other_epoch_hint(best), *keys])}"


def empty_message(state: RunState, status: str, view: str, best: bool) -> str:
    """Return why a view has no images."""
    if view != MISCLASSIFIED:
        return "No training samples of this phase."
    event = state.evaluations.best if best else state.evaluations.latest
    if event:
        return "No misclassified images."
    text = empty_text(state, status, best).replace("Per-class metrics", "Misclassified images")
    return text.replace("per-class metrics", "misclassified images")
