"""What a configuration leaves to this program: settled by measuring, told, and then kept."""

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
from core.config.phases import PHASES
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
"""Pictures a step where memory sets no limit: more of them make a CPU no faster."""
_MOST_PICTURES, _FEWEST_STEPS = 1024, 16
_ROOM = 0.9
_OPTIMIZER_STATES = 2


@dataclass(frozen=True, slots=True)
class Measured:
    """The fastest way to compute a phase."""

    bf16: bool
    channels_last: bool
    seconds: float
    """What a picture takes in the network."""
    reason: str


@dataclass(frozen=True, slots=True)
class AutotuneResult:
    """How a run computes; part of its checkpoints, as it goes on the same way."""

    computes: Mapping[str, Compute]
    """By phase."""
    batch_size: int
    seconds: float = field(default=0.0, compare=False)
    """What a picture takes in the first phase's network; 0 where nobody has measured."""

    def plain(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        kept = {
            phase: {
                "device": compute.device.type,
                "bf16": compute.bf16,
                "channels_last": compute.channels_last,
            }
            for phase, compute in self.computes.items()
        }
        return {"batch_size": self.batch_size, "computes": kept}


def choose(
    config: Config, net: NormalizedModel, pictures: int, kept: Mapping[str, Any] | None, emit: Emit
) -> AutotuneResult:
    """Settle how each phase computes and how many of the `pictures` a step takes.

    `kept` is what a checkpoint has of earlier choices: they stand, but for another device. What
    was measured is remembered in the cache folder for the next run of the same network here.
    Raises DeviceError.
    """
    ways = compute_options(config)
    planned = config.phases.left()
    computes, seconds = dict.fromkeys(PHASES, ways[0]), 0.0
    for phase in planned:
        earlier = _among(ways, kept, phase)
        is_open = earlier is None and len(ways) > 1
        computes[phase] = earlier or ways[0]
        # How fast pictures are wanted decides how many processes read them.
        is_timed = phase == planned[0] and config.data.workers == "auto"
        if is_open or is_timed:
            found = _measured(config, net, ways, phase, emit)
            seconds = found.seconds if is_timed else seconds
        if is_open:
            computes[phase] = _way(ways, found.bf16, found.channels_last) or ways[0]
            what, value = f"computing in phase {phase}", str(computes[phase])
            emit(Chosen(what=what, value=value, reason=found.reason))
    size = int(kept["batch_size"]) if kept else _batch_size(config, net, computes, pictures, emit)
    return AutotuneResult(computes, size, seconds)


def _among(ways: list[Compute], kept: Mapping[str, Any] | None, phase: str) -> Compute | None:
    earlier = kept["computes"].get(phase) if kept else None
    if earlier is None or earlier["device"] != ways[0].device.type:
        return None
    return _way(ways, earlier["bf16"], earlier["channels_last"])


def _way(ways: list[Compute], bf16: bool, channels_last: bool) -> Compute | None:
    fitting = (way for way in ways if (way.bf16, way.channels_last) == (bf16, channels_last))
    return next(fitting, None)


def _measured(
    config: Config, net: NormalizedModel, ways: list[Compute], phase: str, emit: Emit
) -> Measured:
    side = config.data.image_size
    memory = CacheFile(cache_dir() / "measured" / _name(config, ways, phase), Measured, form=1)
    remembered = memory.read()
    if remembered is not None:
        return remembered
    emit(Preparing(stage=f"measuring how phase {phase} computes fastest"))
    taken = seconds_per_image(net, ways, side, training=phase == "full")
    best = fastest(taken)
    figures = "; ".join(f"{way} {fmt.milliseconds(value)}" for way, value in taken.items())
    found = Measured(best.bf16, best.channels_last, taken[best], f"a picture takes {figures}")
    with suppress(OSError):  # a cache folder that can't be made: it is measured again next time
        memory.path.parent.mkdir(parents=True, exist_ok=True)
        memory.write(found)
    return found


def _name(config: Config, ways: list[Compute], phase: str) -> str:
    depends_on = (
        [platform.node(), platform.processor(), ways[0].name, torch.get_num_threads()],
        [torch.__version__, config.model.name, config.data.image_size],
        [phase, *map(str, ways)],
    )
    return hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()[:32] + ".json"


def _batch_size(
    config: Config, net: NormalizedModel, computes: Mapping[str, Compute], pictures: int, emit: Emit
) -> int:
    if config.data.batch_size != "auto":
        return config.data.batch_size
    compute = computes["full"]
    if compute.device.type != "cuda":
        reason = "without a GPU, memory sets no limit and more makes it no faster"
        emit(Chosen(what="data.batch_size", value=str(DEFAULT_BATCH_SIZE), reason=reason))
        return DEFAULT_BATCH_SIZE
    emit(Preparing(stage="measuring how many pictures fit into the GPU's memory"))
    copies = _OPTIMIZER_STATES + (config.phases.full.ema is not None)
    states = copies * sum(4 * weights.numel() for weights in net.parameters())
    free = torch.cuda.mem_get_info(compute.device)[0] + torch.cuda.memory_reserved(compute.device)
    room = int(_ROOM * free) - states
    most = max(1, min(_MOST_PICTURES, pictures // _FEWEST_STEPS))
    size = largest_batch_that_fits(peak_bytes(net, compute, config.data.image_size), room, most)
    reason = f"up to {most:,} were of use, and the GPU has {free / 1e9:.1f} GB free"
    emit(Chosen(what="data.batch_size", value=str(size), reason=reason))
    return size
