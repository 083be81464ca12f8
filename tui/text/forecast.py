"""What a new run will come to, in words and bars. Pure text."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from core.common import format as fmt
from core.common.text import printable
from core.config.schema import Config
from core.forecast.device_memory import Room
from core.forecast.forecast import DataOutlook, duration, step_bytes
from core.forecast.model_info import ModelFacts, weights_problem
from core.forecast.throughput_history import Pace
from tui.preferences.palettes import Palette

_LABEL = 9
_LARGEST, _SMALLEST = 16, 8
"""Classes that are shown of many, from either end."""
_NAME_CELLS, _BAR_CELLS = 20, 30
_WARNING, _DIM = "$text-warning", "$foreground 60%"
WAITING = "looking …"
NO_FOLDER = "type a folder: this shows what is in it, and what training on it would take"
UNUSABLE = "told once the field that says what is wrong is mended"
Line = tuple[str, str, str]
"""Label, text, style."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is known so far of a run that has not begun; None = not yet, or not to be known."""

    config: Config | None = None
    """None while something typed can't be used."""
    data: DataOutlook | None = None
    data_said: str = NO_FOLDER
    """Why there is no `data`."""
    facts: ModelFacts | None = None
    at_hand: bool = False
    """Whether the pretrained weights were downloaded before."""
    room: Room | None = None
    pace: Pace | None = None
    pace_known: bool = False
    """Whether past runs have been looked through."""


def forecast_text(outlook: Forecast, width: int, colours: Palette) -> Content:
    """Return all of it as text of at most `width` cells a line."""
    lines = [_laid_out(line, width) for line in _lines(outlook)]
    if outlook.data is not None:
        lines += [Content(""), *_bars(outlook.data, width, colours)]
    return Content("\n").join(lines)


def forecast_summary(outlook: Forecast) -> str:
    """Return the most important of it in one line, for where there is no room for more."""
    data, config, facts = outlook.data, outlook.config, outlook.facts
    parts = []
    if data is not None:
        parts.append(f"{fmt.count(data.pictures)} pictures, {len(data.counts)} classes")
        problems = len(data.problems)
        parts += [f"! {_plural(problems, 'problem')} below"] if problems else []
    if config is not None and facts is not None and not facts.problem:
        parts.append(f"{fmt.parameters(facts.parameters)} parameters")
        problem = weights_problem(config.model, facts)
        parts += ["! no weights"] if problem else []
    if config is not None and data is not None and outlook.pace is not None:
        time = duration(config, data, outlook.pace)
        parts.append(f"at most {fmt.duration(time.head + time.full)}")
    return " · ".join(parts)


def problems(outlook: Forecast) -> dict[str, str]:
    """Return what of the configuration is known not to work, by key."""
    config, facts = outlook.config, outlook.facts
    if config is None or facts is None:
        return {}
    found = {"model.name": facts.problem.partition(" ")[2], "model.weights": ""}
    if not facts.problem:
        key = "model.weights" if config.model.weights else "model.name"
        found[key] = weights_problem(config.model, facts)
    return {key: text for key, text in found.items() if text}


def _plural(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"


def _laid_out(line: Line, width: int) -> Content:
    label, text, style = line
    wrapped = textwrap.wrap(text, max(16, width - _LABEL)) or [""]
    rest = ["", *(f"\n{'':{_LABEL}}" for _ in wrapped[1:])]
    said = "".join(indent + part for indent, part in zip(rest, wrapped, strict=True))
    return Content.assemble((f"{label:<{_LABEL}}", _DIM), (said, style))


def _lines(outlook: Forecast) -> Iterator[Line]:
    data, config = outlook.data, outlook.config
    if data is None:
        yield "data", outlook.data_said, ""
    else:
        yield from _data_lines(data, config)
    if config is None:
        yield "", UNUSABLE, _DIM
        return
    yield from _model_lines(config, outlook, len(data.counts) if data else 1)
    yield from _phase_lines(config, outlook)


def _data_lines(data: DataOutlook, config: Config | None) -> Iterator[Line]:
    yield "data", f"{fmt.count(data.pictures)} pictures, {len(data.counts)} classes", "bold"
    train, val = sum(data.train.values()), sum(data.val.values())
    how = "as the folders train and val say"
    if config is not None and config.data.split is not None:
        how = f"but what {printable(config.data.split)} says of them holds"
    elif not data.by_folders:
        how = f"{fmt.percent(config.data.val_fraction, 0)} of each class, by seed" if config else ""
        how += ", about: groups stay together" if config and config.data.group else ""
    test = sum(data.test.values())
    kept = f", {fmt.count(test)} kept for a test" if test else ""
    yield "split", f"{fmt.count(train)} train, {fmt.count(val)} val{kept}: {how}", ""
    for problem in data.problems:
        yield "!", printable(problem), _WARNING


def _model_lines(config: Config, outlook: Forecast, classes: int) -> Iterator[Line]:
    facts, name = outlook.facts, printable(config.model.name)
    if facts is None:
        yield "model", f"{name}: {WAITING}", _DIM
        return
    if facts.problem:
        yield "model", printable(facts.problem), _WARNING
        return
    size = facts.parameters_for(classes)
    yield "model", f"{name}, {fmt.parameters(size)} parameters, {fmt.size(4 * size)}", ""
    problem = weights_problem(config.model, facts)
    yield "weights", problem or _weights(config, outlook, facts), _WARNING if problem else ""
    yield from _memory_lines(config, outlook, facts, classes)


def _weights(config: Config, outlook: Forecast, facts: ModelFacts) -> str:
    if config.model.weights is not None:
        return f"from {printable(config.model.weights)}"
    if not config.model.pretrained:
        return "none: it learns from scratch"
    if outlook.at_hand:
        return "at hand, from an earlier download"
    return f"not at hand: a download on first use ({printable(facts.hub_id or facts.url)})"


def _memory_lines(
    config: Config, outlook: Forecast, facts: ModelFacts, classes: int
) -> Iterator[Line]:
    needed, room = step_bytes(config, facts, classes), outlook.room
    there = f"; {printable(room.name)}: {fmt.size(room.free)} free" if room else ""
    if needed is None:
        said = "the batch is made to fit" if config.phases.full.epochs else "little, in phase head"
        yield "memory", f"{said}{there}", ""
        return
    pictures = config.data.micro_batch_size or config.data.step_pictures
    step = f"about {fmt.size(needed)} for {pictures} pictures in phase full, less in bf16"
    yield "memory", f"{step}{there}", ""
    if room and needed > room.free:
        smaller = "data.micro_batch_size takes a step in parts; data.batch_size makes it smaller"
        yield "!", f"that is more than is free: {smaller}", _WARNING


def _phase_lines(config: Config, outlook: Forecast) -> Iterator[Line]:
    data, pace = outlook.data, outlook.pace
    phases = config.phases
    limits = f"head up to {phases.head.epochs} epochs, full up to {phases.full.epochs}"
    size = config.data.batch_size
    steps = ""
    if data is not None and size != "auto":
        steps = f"; {fmt.count(-(-sum(data.train.values()) // size))} steps an epoch"
    yield "pictures", f"{config.data.image_size} x {config.data.image_size} pixels", ""
    yield "epochs", f"{limits}{steps}", ""
    if data is None or not outlook.pace_known:
        return
    if pace is None:
        yield "time", "not known: no run with this network and picture size yet", _DIM
        return
    time = duration(config, data, pace)
    parts = f"head {fmt.duration(time.head)}, full {fmt.duration(time.full)}"
    run = f"as run {printable(pace.run)} had it on {printable(pace.device)}"
    yield "time", f"at most {fmt.duration(time.head + time.full)} ({parts}), {run}", ""


def _bars(data: DataOutlook, width: int, colours: Palette) -> list[Content]:
    ranked = sorted(data.counts, key=lambda name: (-data.counts[name], name))
    hidden = len(ranked) - _LARGEST - _SMALLEST
    names = min(_NAME_CELLS, max(cell_len(printable(name)) for name in ranked), width // 3)
    room = max(4, min(_BAR_CELLS, width - names - len(fmt.count(data.pictures)) - 2))

    def bars(some: list[str]) -> list[Content]:
        return [_bar(name, data, names, room, (train, val)) for name in some]

    train, val = (f"rgb{colour}" for colour in (colours.train, colours.val))
    legend = Content.assemble(("█", train), (" train  ", _DIM), ("▒", val), (" val", _DIM))
    if hidden < 2:
        return [legend, *bars(ranked)]
    between = Content.styled(f"… {fmt.count(hidden)} classes between", _DIM)
    return [legend, *bars(ranked[:_LARGEST]), between, *bars(ranked[-_SMALLEST:])]


def _bar(name: str, data: DataOutlook, names: int, room: int, styles: tuple[str, str]) -> Content:
    count, val = data.counts[name], data.val.get(name, 0)
    most = max(1, *data.counts.values())
    cells = max(1, round(room * count / most)) if count else 0
    held = min(cells - 1, max(1, round(room * val / most))) if val and cells > 1 else 0
    shown = printable(name)
    if cell_len(shown) > names:
        shown = f"{set_cell_size(shown, names - 1)}…"
    label = f"{set_cell_size(shown, names)} "
    parts = ("█" * (cells - held), styles[0]), ("▒" * held, styles[1])
    return Content.assemble(label, *parts, f" {fmt.count(count)}")
