"""Describe the training device and the host for the device panel."""

from collections.abc import Iterable

from core.common import format as fmt
from core.common.text import printable
from core.events.types import DeviceSample
from core.run.state import RunState

_BAR_CELLS = 16
_SIMILAR = 0.05
"""Waiting times (fractions) that differ by less don't identify a slowest rank."""
_MOST_RANKS, _HOST_CELLS = 6, 8
_SLOW = "▸"


def device_title(state: RunState) -> str:
    """Return the panel's title: the device and its name, or the number of ranks."""
    sample = state.device
    if len(state.devices) > 1:
        slowest = slowest_rank(state.devices.values())
        return f"{len(state.devices)} ranks" + ("" if slowest is None else f" · {_SLOW} slowest")
    if sample is not None:
        return _joined(sample.device, sample.name)
    return _joined(state.model.device, state.model.device_name) if state.model else "Device"


def _joined(device: str, name: str) -> str:
    shown = [printable(text) for text in (device, name) if text]
    return " · ".join(dict.fromkeys(shown))


def device_lines(sample: DeviceSample | None) -> list[str]:
    """Return memory, utilization, temperature and power where known, then the host's."""
    if sample is None:
        return ["not sampled yet"]
    lines = [*_memory(sample), *_load(sample), *_host(sample)]
    if sample.note:
        lines.append(printable(sample.note))
    return lines or ["no measurements"]


def device_parts(sample: DeviceSample | None) -> list[str]:
    """Return the device and the host as short parts of a line, the most important ones first."""
    if sample is None:
        return ["not sampled yet"]
    note = [printable(sample.note)] if sample.note and sample.total is None else []
    parts = [*note, *_short_memory(sample), *_load(sample, with_limit=False), *_host(sample)]
    return parts or ["no measurements"]


def panel_lines(state: RunState, short: bool) -> list[str]:
    """Return the lines of the panel: the device, or one line per rank with the slowest marked.

    `short` is the parts of one line instead.
    """
    if len(state.devices) < 2:
        return device_parts(state.device) if short else device_lines(state.device)
    slowest = slowest_rank(state.devices.values())
    if short:
        last = "" if slowest is None else f", slowest {_rank_name(state.devices[slowest])}"
        return [f"{len(state.devices)} ranks{last}"]
    shown = [state.devices[rank] for rank in sorted(state.devices)]
    lines = [_rank_line(sample, sample.rank == slowest) for sample in shown[:_MOST_RANKS]]
    left_out = len(shown) - _MOST_RANKS
    if left_out > 0:
        lines[-1] = f"… and {left_out + 1} more ranks"
    return lines


def slowest_rank(samples: Iterable[DeviceSample]) -> int | None:
    """Return the rank that waits least for the others; None where unknown or where all wait about
    equally long."""
    known = [(s.waits, s.rank) for s in samples if s.waits is not None]
    if len(known) < 2 or max(known)[0] - min(known)[0] < _SIMILAR:
        return None
    return min(known)[1]


def _rank_line(sample: DeviceSample, is_slowest: bool) -> str:
    held = sample.reserved or sample.allocated or sample.process_rss
    parts = [_rank_name(sample)]
    if held is not None:
        parts.append(fmt.size(held))
    if sample.utilization is not None:
        parts.append(fmt.percent(sample.utilization, 0))
    if sample.waits is not None:
        parts.append(f"waits {fmt.percent(sample.waits, 0)}")
    return (_SLOW if is_slowest else " ") + "  ".join(parts)


def _rank_name(sample: DeviceSample) -> str:
    host = printable(sample.host)[:_HOST_CELLS]
    return " ".join(filter(None, (str(sample.rank), host, printable(sample.device))))


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


def _load(sample: DeviceSample, with_limit: bool = True) -> list[str]:
    parts = []
    if sample.utilization is not None:
        parts.append(f"GPU {fmt.percent(sample.utilization, 0)}")
    if sample.temperature is not None:
        parts.append(f"{sample.temperature:.0f} °C")
    if sample.power is not None:
        parts.append(_power(sample.power, sample.power_limit if with_limit else None))
    return ["  ".join(parts)] if parts else []


def _power(draw: float, limit: float | None) -> str:
    return _joined_unit(fmt.watts(draw), fmt.watts(limit)) if limit else fmt.watts(draw)


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
    return _joined_unit(fmt.size(used), fmt.size(total))


def _joined_unit(used_text: str, total_text: str) -> str:
    """Return two values with the unit once, if it is that of both: `312 of 700 W`."""
    if used_text.split()[-1] == total_text.split()[-1]:
        used_text = used_text.split()[0]
    return f"{used_text} of {total_text}"
