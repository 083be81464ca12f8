"""Build a ready-to-train engine from a configuration and a data plan. Imports torch."""

import socket
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn

from core.common import format as fmt
from core.common.cpu import usable_cores, workers_needed
from core.common.errors import DataError
from core.config.load import with_values
from core.config.phases import FULL
from core.config.schema import Config
from core.data.loading.dataset import ImageDataset
from core.data.loading.loader import make_datasets, make_loaders, seconds_per_image
from core.data.sources import source_of
from core.data.split import DataPlan
from core.distributed.process_group import SINGLE_PROCESS, ProcessGroup
from core.distributed.torchrun_env import find_job
from core.events.commands import CommandQueue
from core.events.emitter import Emit, Emitter
from core.events.types import Chosen, ModelReady, Preparing, RunEnded, Warned
from core.model.build import (
    WeightsReport,
    build_model,
    count_parameters,
    model_data_config,
    set_grad_checkpointing,
)
from core.model.device import Compute, compute_options, set_deterministic
from core.model.keyed_dropout import use_keyed_dropout
from core.model.normalize import NormalizedModel
from core.run.folder import RunFolder
from core.run.history_csv import History
from core.training.autotune.autotune import AutotuneResult, autotune
from core.training.checkpoints.disk_health import DiskHealth, NullDiskHealth
from core.training.checkpoints.writer import FileCheckpointWriter, NullCheckpointWriter
from core.training.device_monitor import DeviceMemory, DeviceProbe
from core.training.engine import Engine
from core.training.features.phase_inputs import make_phase_inputs
from core.training.mixup import uses_mixup
from core.training.sample_sheet import SampleSheetWriter
from core.training.start_point import FROM_SCRATCH, StartPoint


class PreparedEngine:
    """An engine with its device probe, and with the resources to close after training."""

    def __init__(
        self,
        engine: Engine,
        probe: DeviceProbe,
        resources: ExitStack,
        saved: Mapping[str, Any] | None,
    ) -> None:
        self.engine = engine
        self.probe = probe
        self._resources = resources
        self._saved = saved

    @property
    def seconds_before(self) -> float:
        """Seconds that earlier processes have trained this run."""
        return float(self._saved["run_seconds"]) if self._saved else 0.0

    def fit(self) -> RunEnded:
        """Train from scratch, or from the start point's checkpoint."""
        return self.engine.fit(self._saved)

    def close(self) -> None:
        """Stop the data loader workers and write all queued checkpoints."""
        self._resources.close()


def prepare_engine(
    config: Config,
    plan: DataPlan,
    folder: RunFolder | None,
    emitter: Emitter,
    command_queue: CommandQueue,
    *,
    start: StartPoint = FROM_SCRATCH,
    group: ProcessGroup = SINGLE_PROCESS,
    emit: Emit | None = None,
) -> PreparedEngine:
    """Build model, data loaders and engine, and emit events about them.

    `emit` is the emitter's by default. With `start.content` the model gets the checkpoint's weights
    instead of those in the configuration. With several ranks each of them calls this, and only
    rank 0 writes files; without a folder, none does. Raises ModelError or DeviceError.
    """
    emit = emit or emitter.emit
    written = folder if group.is_main else None
    with group.shared_errors():
        if not group.is_main:
            require_images(plan)
        set_deterministic(config.deterministic)
        device = compute_options(config)[0].device
        emit(Preparing(stage="building the model"))
        model, weights = _build_model(config, plan, start)
        data_config = model_data_config(model, config.data.crop_pct)
        net = NormalizedModel(model, data_config["mean"], data_config["std"])  # type: ignore[arg-type]
        net.to(device)
        dropout = use_keyed_dropout(model)
        if config.model.grad_checkpointing:
            set_grad_checkpointing(model, False)
    saved_tuning = start.content.get("choices") if start.content else None
    tuned = _autotune(config, net, plan, saved_tuning, group, emit)
    config = with_values(config, {"data.batch_size": tuned.batch_size})
    datasets = make_datasets(config, plan, data_config)
    workers = _choose_workers(config, datasets[0], tuned, emit)
    group.set_paired_sharding(uses_mixup(config.phases.full))
    with ExitStack() as opened:
        log = folder.log if folder else None
        loaders = make_loaders(datasets, tuned.batch_size, workers, device, group, log)
        for loader in loaders:
            opened.callback(loader.close)
        emit(Preparing(stage="starting the data loader workers"))
        for loader in loaders:
            loader.start()
        history = History(written.history if written else None, start.epochs)
        checkpoints: FileCheckpointWriter | NullCheckpointWriter = NullCheckpointWriter()
        disk: DiskHealth | NullDiskHealth = NullDiskHealth()
        if written:
            metadata = _checkpoint_metadata(config, plan, tuned, data_config)
            keep_manual = config.checkpoint.keep_manual
            checkpoints = FileCheckpointWriter(written.checkpoints, metadata, emit, keep_manual)
            opened.callback(checkpoints.close)
            disk = DiskHealth(written.path, emitter, history, checkpoints.thread)
        with group.shared_errors():
            phase_inputs = make_phase_inputs(config, net, loaders, tuned.computes, dropout, emit)
        engine = Engine(
            config=config,
            model=model,
            phase_inputs=phase_inputs,
            checkpoints=checkpoints,
            history=history,
            emit=emit,
            command_queue=command_queue,
            disk=disk,
            samples=SampleSheetWriter(written.path if written else None, net, emit),
            fingerprint=plan.fingerprint,
            changes=start.changes,
            group=group,
        )
        emit(_model_ready(config, model, tuned, weights))
        _warn_of_unmatched_weights(weights, emit)
        saved = start.content["train_state"] if start.content else None
        probe = _device_probe(tuned.computes[FULL], group)
        return PreparedEngine(engine, probe, opened.pop_all(), saved)


def require_images(plan: DataPlan) -> None:
    """Raise DataError on a machine without the images that rank 0 has found."""
    first = plan.train[0].path
    if source_of(plan.root).is_missing_here(plan.root / first):
        raise DataError(
            f"{plan.root} on {socket.gethostname()} differs from rank 0: {first} is missing. Each "
            "machine needs the images under the same path"
        )


def _build_model(
    config: Config, plan: DataPlan, start: StartPoint
) -> tuple[nn.Module, WeightsReport]:
    if start.content is None:
        return build_model(config.model, len(plan.classes), config.seed)
    untrained = config.model.model_copy(update={"pretrained": False, "weights": None})
    model, _ = build_model(untrained, len(plan.classes), config.seed)
    model.load_state_dict(start.content["model"])
    return model, WeightsReport(f"checkpoint {start.checkpoint}")


def _autotune(
    config: Config,
    net: NormalizedModel,
    plan: DataPlan,
    saved: Mapping[str, Any] | None,
    group: ProcessGroup,
    emit: Emit,
) -> AutotuneResult:
    """Return rank 0's result, with computes on this rank's device."""
    images = len(plan.train)
    if group.size == 1:
        return autotune(config, net, images, saved, emit)
    with group.shared_errors():
        own = autotune(config, net, images, saved, emit) if group.is_main else None
    shared = group.broadcast(own.to_dict() if own else {})
    return own or autotune(config, net, images, shared, emit)


def _choose_workers(config: Config, train: ImageDataset, tuned: AutotuneResult, emit: Emit) -> int:
    cores = max(1, usable_cores() // find_job().local_size)
    if config.data.workers != "auto":
        return config.data.workers
    if tuned.seconds == 0 or cores == 1:
        return min(1, cores - 1)
    loading = seconds_per_image(train)
    is_on_cpu = tuned.computes[FULL].device.type == "cpu"
    count = workers_needed(loading, tuned.seconds, cores, is_on_cpu)
    reason = (
        f"an image takes {fmt.milliseconds(loading)} to load and "
        f"{fmt.milliseconds(tuned.seconds)} in the network, on {fmt.counted(cores, 'core')}"
    )
    emit(Chosen(what="data.workers", value=str(count), reason=reason))
    return count


def _checkpoint_metadata(
    config: Config, plan: DataPlan, tuned: AutotuneResult, data_config: Mapping[str, object]
) -> dict[str, Any]:
    transform = ("mean", "std", "interpolation", "crop_pct", "crop_mode")
    return {
        "config": config.model_dump(),
        "choices": tuned.to_dict(),
        "classes": plan.classes,
        "transform": {
            "image_size": config.data.image_size,
            **{name: data_config[name] for name in transform},
            "value_ranges": plan.value_ranges,
        },
    }


def _model_ready(
    config: Config, model: nn.Module, tuned: AutotuneResult, weights: WeightsReport
) -> ModelReady:
    compute = tuned.computes[FULL]
    return ModelReady(
        name=config.model.name,
        parameters=count_parameters(model.parameters()),
        weights=str(weights),
        device=str(compute.device),
        device_name=compute.name,
        precision=compute.precision,
        memory_format="channels_last" if compute.channels_last else "contiguous",
        image_size=config.data.image_size,
    )


def _warn_of_unmatched_weights(weights: WeightsReport, emit: Emit) -> None:
    for names, problem in (
        (weights.missing, "missing, initialized at random"),
        (weights.unused, "not used by the model"),
    ):
        if names:
            shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if names[6:] else "")
            text = f"{weights.source}: {fmt.counted(len(names), 'tensor')} {problem}: {shown}"
            emit(Warned(code="weights", message=text))


def _device_probe(compute: Compute, group: ProcessGroup) -> DeviceProbe:
    host = socket.gethostname() if group.size > 1 else ""
    if compute.device.type != "cuda":
        return DeviceProbe(
            device=str(compute.device),
            name=compute.name,
            rank=group.rank,
            host=host,
            wait_fraction=group.wait_fraction,
        )
    index = torch.cuda.current_device()
    properties = torch.cuda.get_device_properties(index)

    def memory() -> DeviceMemory:
        return DeviceMemory(
            allocated=torch.cuda.memory_allocated(index),
            reserved=torch.cuda.memory_reserved(index),
            peak=torch.cuda.max_memory_allocated(index),
            total=properties.total_memory,
        )

    return DeviceProbe(
        device=f"cuda:{index}",
        name=compute.name,
        uuid=f"GPU-{properties.uuid}" if hasattr(properties, "uuid") else "",
        memory=memory,
        rank=group.rank,
        host=host,
        wait_fraction=group.wait_fraction,
    )
