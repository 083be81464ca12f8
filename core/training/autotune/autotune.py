"""Choose the config values that are `auto`, by measurement, and emit what was chosen."""

import hashlib
import json
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch

from core.common import format as fmt
from core.common.cache_file import CacheFile
from core.common.user_dirs import cache_dir
from core.config.optimizers import OPTIMIZERS
from core.config.phases import FULL, PHASES
from core.config.schema import Config
from core.events.emitter import Emit
from core.events.types import Chosen, Preparing
from core.model.device import Compute, compute_options
from core.model.normalize import NormalizedModel
from core.training.autotune.benchmark import (
    fastest,
    largest_batch_that_fits,
    peak_bytes,
    seconds_per_image,
)

DEFAULT_BATCH_SIZE = 64
"""Batch size on a CPU, where memory sets no limit and larger batches are no faster."""
_MAX_BATCH_SIZE, _MIN_STEPS = 1024, 16
_USABLE_MEMORY = 0.9
_MIN_STATE_VALUES = 2
"""Reserve room for Adam's moments even where the optimizer has less state."""


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """Fastest precision and memory format of a phase."""

    precision: str
    channels_last: bool
    seconds: float
    """Seconds per image in the network."""
    reason: str


@dataclass(frozen=True, slots=True)
class AutotuneResult:
    """Values chosen for a run; saved in its checkpoints, so that a resumed run keeps them."""

    computes: Mapping[str, Compute]
    """By phase."""
    batch_size: int
    seconds: float = field(default=0.0, compare=False)
    """Seconds per image in the network of the first phase; 0 if not measured."""

    def to_dict(self) -> dict[str, Any]:
        """Return the values that a checkpoint saves."""
        computes = {
            phase: {
                "device": compute.device.type,
                "precision": compute.precision,
                "channels_last": compute.channels_last,
            }
            for phase, compute in self.computes.items()
        }
        return {"batch_size": self.batch_size, "computes": computes}


def autotune(
    config: Config, net: NormalizedModel, images: int, saved: Mapping[str, Any] | None, emit: Emit
) -> AutotuneResult:
    """Choose precision and memory format of each phase, and the batch size for `images` images.

    `saved` are the values of a checkpoint, which are kept unless the device has changed.
    Measurements are cached for the next run of this network on this machine. Raises DeviceError.
    """
    options = compute_options(config)
    planned = config.phases.left()
    computes, seconds = dict.fromkeys(PHASES, options[0]), 0.0
    for phase in planned:
        earlier = _saved_compute(options, saved, phase)
        is_open = earlier is None and len(options) > 1
        computes[phase] = earlier or options[0]
        # The number of data loader workers depends on the speed of the network.
        is_timed = phase == planned[0] and config.data.workers == "auto"
        if is_open or is_timed:
            found = _benchmark(config, net, options, phase, emit)
            seconds = found.seconds if is_timed else seconds
        if is_open:
            computes[phase] = _matching(options, found.precision, found.channels_last) or options[0]
            what, value = f"precision and memory format of phase {phase}", str(computes[phase])
            emit(Chosen(what=what, value=value, reason=found.reason))
    size = int(saved["batch_size"]) if saved else _batch_size(config, net, computes, images, emit)
    return AutotuneResult(computes, size, seconds)


def _saved_compute(
    options: list[Compute], saved: Mapping[str, Any] | None, phase: str
) -> Compute | None:
    earlier = saved["computes"].get(phase) if saved else None
    if earlier is None or earlier["device"] != options[0].device.type:
        return None
    # Checkpoints of early versions know two precisions.
    precision = earlier.get("precision") or ("bf16" if earlier["bf16"] else "fp32")
    return _matching(options, precision, earlier["channels_last"])


def _matching(options: list[Compute], precision: str, channels_last: bool) -> Compute | None:
    wanted = (precision, channels_last)
    return next((one for one in options if (one.precision, one.channels_last) == wanted), None)


def _benchmark(
    config: Config, net: NormalizedModel, options: list[Compute], phase: str, emit: Emit
) -> BenchmarkResult:
    path = cache_dir() / "measured" / _cache_name(config, options, phase)
    cached = CacheFile(path, BenchmarkResult, form=2)
    earlier = cached.read()
    if earlier is not None:
        return earlier
    emit(Preparing(stage=f"benchmarking phase {phase}"))
    seconds = seconds_per_image(net, options, config.data.image_size, training=phase == FULL)
    best = fastest(seconds)
    figures = "; ".join(f"{one} {fmt.milliseconds(value)}" for one, value in seconds.items())
    result = BenchmarkResult(
        best.precision, best.channels_last, seconds[best], f"time per image: {figures}"
    )
    with suppress(OSError):  # without a writable cache folder, the next run measures again
        path.parent.mkdir(parents=True, exist_ok=True)
        cached.write(result)
    return result


def _cache_name(config: Config, options: list[Compute], phase: str) -> str:
    depends_on = (
        [platform.node(), platform.processor(), options[0].name, torch.get_num_threads()],
        [torch.__version__, config.model.name, config.data.image_size],
        [phase, *map(str, options)],
    )
    return hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()[:32] + ".json"


def _batch_size(
    config: Config, net: NormalizedModel, computes: Mapping[str, Compute], images: int, emit: Emit
) -> int:
    if config.data.batch_size != "auto":
        return config.data.batch_size
    compute = computes[FULL]
    if compute.device.type != "cuda":
        reason = "default without a GPU, where larger batches are no faster"
        emit(Chosen(what="data.batch_size", value=str(DEFAULT_BATCH_SIZE), reason=reason))
        return DEFAULT_BATCH_SIZE
    emit(Preparing(stage="measuring the largest batch that fits in GPU memory"))
    phase = config.phases.full
    copies = max(_MIN_STATE_VALUES, OPTIMIZERS[phase.optimizer].state_values)
    copies += phase.ema is not None
    states = int(copies * sum(4 * weights.numel() for weights in net.parameters()))
    free = torch.cuda.mem_get_info(compute.device)[0] + torch.cuda.memory_reserved(compute.device)
    available = int(_USABLE_MEMORY * free) - states
    most = max(1, min(_MAX_BATCH_SIZE, images // _MIN_STEPS))
    size = largest_batch_that_fits(
        peak_bytes(net, compute, config.data.image_size), available, most
    )
    reason = f"at most {most:,} are useful; the GPU has {free / 1e9:.1f} GB free"
    emit(Chosen(what="data.batch_size", value=str(size), reason=reason))
    return size
