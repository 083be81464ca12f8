"""The device panel in words: the training device where there is one, the host always."""

from core import format as fmt
from core.events import DeviceSample
from core.run_state import RunState
from core.text import printable

_BAR_CELLS = 16


def device_title(state: RunState) -> str:
    """Return what the panel is about: the device's name, or the word for it."""
    sample = state.device
    if sample is not None:
        return _both(sample.device, sample.name)
    return _both(state.model.device, state.model.device_name) if state.model else "device"


def _both(device: str, name: str) -> str:
    shown = [printable(text) for text in (device, name) if text]
    return " · ".join(dict.fromkeys(shown))


def device_lines(sample: DeviceSample | None) -> list[str]:
    """Return memory, load and temperature as far as they are known, then the host."""
    if sample is None:
        return ["not sampled yet"]
    lines = [*_memory(sample), *_load(sample), *_host(sample)]
    if sample.note:
        lines.append(printable(sample.note))
    return lines or ["no figures"]


def device_line(sample: DeviceSample | None) -> str:
    """Return the same as one short line."""
    if sample is None:
        return "not sampled yet"
    note = [printable(sample.note)] if sample.note and sample.total is None else []
    parts = [*note, *_short_memory(sample), *_load(sample), *_host(sample)]
    return " · ".join(parts) or "no figures"


def _memory(sample: DeviceSample) -> list[str]:
    lines = []
    if sample.total:
        used = (sample.reserved or sample.allocated or 0) + (sample.others or 0)
        lines.append(f"{_meter(used / sample.total)} {_of(used, sample.total)}")
    own = [
        f"{word} {fmt.size(value)}"
        for word, value in (
            ("this run", sample.allocated),
            ("reserved", sample.reserved),
            ("peak", sample.peak),
            ("others", sample.others),
        )
        if value is not None
    ]
    return [*lines, *(" · ".join(own[i : i + 2]) for i in range(0, len(own), 2))]


def _short_memory(sample: DeviceSample) -> list[str]:
    if not sample.total:
        return []
    used = (sample.reserved or sample.allocated or 0) + (sample.others or 0)
    parts = [_of(used, sample.total)]
    if sample.others:
        parts.append(f"others {fmt.size(sample.others)}")
    return parts


def _load(sample: DeviceSample) -> list[str]:
    parts = []
    if sample.utilization is not None:
        parts.append(f"busy {fmt.percent(sample.utilization, 0)}")
    if sample.temperature is not None:
        parts.append(f"{sample.temperature:.0f} °C")
    return ["  ".join(parts)] if parts else []


def _host(sample: DeviceSample) -> list[str]:
    parts = []
    if sample.host_cpu is not None:
        parts.append(f"CPU {fmt.percent(sample.host_cpu, 0)}")
    if sample.host_used is not None and sample.host_total is not None:
        parts.append(f"RAM {_of(sample.host_used, sample.host_total)}")
    lines = [" · ".join(parts)] if parts else []
    if sample.process_rss is not None:
        lines.append(f"process {fmt.size(sample.process_rss)}")
    return lines


def _meter(fraction: float) -> str:
    full = round(max(0.0, min(1.0, fraction)) * _BAR_CELLS)
    return "█" * full + "░" * (_BAR_CELLS - full)


def _of(used: float, total: float) -> str:
    used_text, total_text = fmt.size(used), fmt.size(total)
    if used_text.split()[-1] == total_text.split()[-1]:
        used_text = used_text.split()[0]
    return f"{used_text} of {total_text}"
