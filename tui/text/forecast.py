"""Describe the forecast of a new run: data, model, memory and duration."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from core.common import format as fmt
from core.common.text import printable
from core.config.data_section import DataConfig
from core.config.schema import Config
from core.forecast.device_memory import DeviceMemory
from core.forecast.forecast import DataSummary, duration_for, step_bytes
from core.forecast.model_info import ModelInfo, weights_problem
from core.forecast.throughput_history import ThroughputHistory
from tui.preferences.palettes import Palette

_LABEL = 9
_LARGEST, _SMALLEST = 16, 8
"""Classes shown where there are many: the largest and the smallest."""
_NAME_CELLS, _BAR_CELLS = 20, 30
_SOME_IMAGES = 1000
"""Images for which a duration is shown while there is no folder."""
_WARNING, _DIM = "$text-warning", "$foreground 60%"
WAITING = "reading …"
NO_FOLDER = "no folder yet"
UNUSABLE = "available once the invalid field is corrected"
Line = tuple[str, str, str]
"""Label, text, style."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The forecast of a run that has not started; None is unknown, maybe not yet computed."""

    config: Config | None = None
    """None while a field of the form is invalid."""
    data: DataSummary | None = None
    data_message: str = NO_FOLDER
    """Shown while `data` is None."""
    model_info: ModelInfo | None = None
    weights_cached: bool = False
    """Whether the pretrained weights are in the download cache."""
    memory: DeviceMemory | None = None
    throughput: ThroughputHistory | None = None
    throughput_known: bool = False
    """Whether past runs were searched for a throughput."""


def forecast_text(forecast: Forecast, width: int, palette: Palette) -> Content:
    """Return the forecast as text at most `width` cells wide."""
    lines = [_wrapped(line, width) for line in _lines(forecast)]
    if forecast.data is not None:
        lines += [Content(""), *_bars(forecast.data, width, palette)]
    return Content("\n").join(lines)


def forecast_summary(forecast: Forecast) -> str:
    """Return the forecast as one line, for small terminals."""
    data, config, model_info = forecast.data, forecast.config, forecast.model_info
    parts = []
    if config is not None and data is None and forecast.data_message == NO_FOLDER:
        parts.append(NO_FOLDER)
    if data is not None:
        parts.append(_image_count(data))
        number = fmt.counted(len(data.problems), "problem")
        parts += [f"! {number} below"] if data.problems else []
    if config is not None and model_info is None:
        parts.append(f"{printable(config.model.name)}: {WAITING}")
    if config is not None and model_info is not None and not model_info.problem:
        parts.append(f"{fmt.parameters(model_info.parameters)} parameters")
        needed = step_bytes(config, model_info, 1)
        parts += [f"{fmt.size(needed)} memory"] if needed and data is None else []
        problem = weights_problem(config.model, model_info)
        parts += ["! no weights"] if problem else []
    if config is not None and forecast.throughput is not None:
        parts.append(_time(config, data, forecast.throughput)[0])
    return " · ".join(parts)


def problems(forecast: Forecast) -> dict[str, str]:
    """Return the known problems of the configuration, by config key."""
    config, model_info = forecast.config, forecast.model_info
    if config is None or model_info is None:
        return {}
    key, _, problem = model_info.problem.partition(" ")
    # Another problem is one of the inspection, and no reason against training.
    found = {"model.name": problem if key.startswith("model.name=") else ""}
    if not model_info.problem:
        key = "model.weights" if config.model.weights else "model.name"
        found[key] = weights_problem(config.model, model_info)
    return {key: text for key, text in found.items() if text}


def _image_count(data: DataSummary) -> str:
    classes = fmt.counted(len(data.counts), "class", "classes")
    return f"{fmt.counted(data.images, 'image')}, {classes}"


def _wrapped(line: Line, width: int) -> Content:
    label, text, style = line
    wrapped = textwrap.wrap(text, max(16, width - _LABEL)) or [""]
    rest = ["", *(f"\n{'':{_LABEL}}" for _ in wrapped[1:])]
    indented = "".join(indent + part for indent, part in zip(rest, wrapped, strict=True))
    return Content.assemble((f"{label:<{_LABEL}}", _DIM), (indented, style))


def _lines(forecast: Forecast) -> Iterator[Line]:
    data, config = forecast.data, forecast.config
    if data is None:
        yield "data", forecast.data_message, ""
    else:
        yield from _data_lines(data, config)
    if config is None:
        yield "", UNUSABLE, _DIM
        return
    yield from _model_lines(config, forecast, len(data.counts) if data else 1)
    yield from _phase_lines(config, forecast)


def _data_lines(data: DataSummary, config: Config | None) -> Iterator[Line]:
    yield "data", _image_count(data), "bold"
    train, val = sum(data.train.values()), sum(data.val.values())
    how = "from the folders train and val"
    if config is not None and config.data.split is not None:
        how = f"but overridden by {printable(config.data.split)}"
    elif not data.by_folders:
        how = _how_split(config.data) if config else ""
        how += ", approximate: groups stay together" if config and config.data.group else ""
    test = sum(data.test.values())
    held_out = f", {fmt.count(test)} test" if test else ""
    yield "split", f"{fmt.count(train)} train, {fmt.count(val)} val{held_out}: {how}", ""
    for problem in data.problems:
        yield "!", printable(problem), _WARNING


def _how_split(data: DataConfig) -> str:
    if data.folds:
        return f"fold {data.fold} of {data.folds} is val, by seed"
    return f"{fmt.percent(data.val_fraction, 0)} val per class, by seed"


def _model_lines(config: Config, forecast: Forecast, classes: int) -> Iterator[Line]:
    model_info, name = forecast.model_info, printable(config.model.name)
    if model_info is None:
        yield "model", f"{name}: {WAITING}", _DIM
        return
    if model_info.problem:
        yield "model", printable(model_info.problem), _WARNING
        return
    size = model_info.parameters_for(classes)
    yield "model", f"{name}, {fmt.parameters(size)} parameters, {fmt.size(4 * size)}", ""
    problem = weights_problem(config.model, model_info)
    yield "weights", problem or _weights(config, forecast, model_info), _WARNING if problem else ""
    yield from _memory_lines(config, forecast, model_info, classes)


def _weights(config: Config, forecast: Forecast, model_info: ModelInfo) -> str:
    if config.model.weights is not None:
        return f"from {printable(config.model.weights)}"
    if not config.model.pretrained:
        return "none: trained from scratch"
    if forecast.weights_cached:
        return "cached"
    return f"not cached: downloaded on first use ({printable(model_info.hub_id or model_info.url)})"


def _memory_lines(
    config: Config, forecast: Forecast, model_info: ModelInfo, classes: int
) -> Iterator[Line]:
    needed, memory = step_bytes(config, model_info, classes), forecast.memory
    free = f"; {printable(memory.name)}: {fmt.size(memory.free)} free" if memory else ""
    if needed is None:
        text = (
            "the batch size is chosen to fit"
            if config.phases.full.epochs
            else "little in phase head"
        )
        yield "memory", f"{text}{free}", ""
        return
    images = config.data.micro_batch_size or config.data.step_images
    step = (
        f"about {fmt.size(needed)} for {fmt.counted(images, 'image')} in phase full, less in bf16"
    )
    yield "memory", f"{step}{free}", ""
    if memory and needed > memory.free:
        smaller = "set data.micro_batch_size to split each step, or a smaller data.batch_size"
        yield "!", f"more than the free memory: {smaller}", _WARNING


def _phase_lines(config: Config, forecast: Forecast) -> Iterator[Line]:
    data, throughput = forecast.data, forecast.throughput
    phases = config.phases
    limits = (
        f"head up to {fmt.counted(phases.head.epochs, 'epoch')}, full up to {phases.full.epochs}"
    )
    size = config.data.batch_size
    steps = ""
    if data is not None and size != "auto":
        number = -(-sum(data.train.values()) // size)
        steps = f"; {fmt.counted(number, 'step')} per epoch"
    yield "images", f"{config.data.image_size} x {config.data.image_size} pixels", ""
    yield "epochs", f"{limits}{steps}", ""
    if not forecast.throughput_known:
        return
    if throughput is None:
        yield "time", "unknown: no past run with this model and image size", _DIM
        return
    total, parts = _time(config, data, throughput)
    run = f"from run {printable(throughput.run)} on {printable(throughput.device)}"
    yield "time", f"{total} ({parts}), {run}", ""


def _time(
    config: Config, data: DataSummary | None, throughput: ThroughputHistory
) -> tuple[str, str]:
    """Return the maximum duration and its parts; without data for a number of images."""
    time = duration_for(config, _SOME_IMAGES if data is None else data.images, throughput)
    given = f" for {fmt.count(_SOME_IMAGES)} images" if data is None else ""
    total = f"at most {fmt.duration(time.head + time.full)}{given}"
    return total, f"head {fmt.duration(time.head)}, full {fmt.duration(time.full)}"


def _bars(data: DataSummary, width: int, palette: Palette) -> list[Content]:
    ranked = sorted(data.counts, key=lambda name: (-data.counts[name], name))
    hidden = len(ranked) - _LARGEST - _SMALLEST
    names = min(_NAME_CELLS, max(cell_len(printable(name)) for name in ranked), width // 3)
    bar_cells = max(4, min(_BAR_CELLS, width - names - len(fmt.count(data.images)) - 2))

    def bars(some: list[str]) -> list[Content]:
        return [_bar(name, data, names, bar_cells, (train, val)) for name in some]

    train, val = (f"rgb{color}" for color in (palette.train, palette.val))
    legend = Content.assemble(("█", train), (" train  ", _DIM), ("▒", val), (" val", _DIM))
    if hidden < 2:
        return [legend, *bars(ranked)]
    between = Content.styled(f"… {fmt.count(hidden)} classes between", _DIM)
    return [legend, *bars(ranked[:_LARGEST]), between, *bars(ranked[-_SMALLEST:])]


def _bar(
    name: str, data: DataSummary, names: int, bar_cells: int, styles: tuple[str, str]
) -> Content:
    count, val = data.counts[name], data.val.get(name, 0)
    most = max(1, *data.counts.values())
    cells = max(1, round(bar_cells * count / most)) if count else 0
    val_cells = min(cells - 1, max(1, round(bar_cells * val / most))) if val and cells > 1 else 0
    shown = printable(name)
    if cell_len(shown) > names:
        shown = f"{set_cell_size(shown, names - 1)}…"
    label = f"{set_cell_size(shown, names)} "
    parts = ("█" * (cells - val_cells), styles[0]), ("▒" * val_cells, styles[1])
    return Content.assemble(label, *parts, f" {fmt.count(count)}")
