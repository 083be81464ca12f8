"""From a configuration and a data plan to an engine that is ready to fit. Imports torch."""

import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from core.common import format as fmt
from core.common.cpu import usable_cores, workers_needed
from core.common.errors import DataError
from core.common.version import __version__
from core.config.load import with_values
from core.config.phases import PHASES
from core.config.schema import Config
from core.data.loading.dataset import ImageDataset
from core.data.loading.loader import Loader, make_datasets, make_loaders, seconds_per_image
from core.data.sources import source_of
from core.data.split import DataPlan
from core.distributed.process_group import SINGLE_PROCESS, ProcessGroup
from core.distributed.torchrun_env import Job, find_job
from core.events.commands import Mailbox
from core.events.emitter import Emit, Emitter
from core.events.types import Chosen, ModelReady, Preparing, Record, RunEnded, RunResumed, Warned
from core.model.build import (
    ModelError,
    WeightsReport,
    build_model,
    count_parameters,
    model_data_config,
)
from core.model.device import Compute, compute_options, set_deterministic
from core.model.normalize import NormalizedModel
from core.run.find import is_of_job
from core.run.folder import RunFolder
from core.run.history_csv import History
from core.run.state import fold
from core.training.autotune.autotune import AutotuneResult, choose
from core.training.checkpoints.disk_health import DiskHealth, NullDiskHealth
from core.training.checkpoints.writer import (
    FileCheckpointWriter,
    NullCheckpointWriter,
    find_resumable,
)
from core.training.device_monitor import DeviceMemory, DeviceProbe
from core.training.engine import Engine
from core.training.features.phase_inputs import make_phase_inputs
from core.training.mixup import uses_mixup
from core.training.sample_sheet import SampleSheetWriter
from core.training.start_point import FROM_SCRATCH, StartPoint


class PreparedEngine:
    """An engine with what must be closed after it."""

    def __init__(
        self,
        engine: Engine,
        probe: DeviceProbe,
        loaders: tuple[Loader, Loader],
        checkpoints: FileCheckpointWriter | NullCheckpointWriter,
        saved: Mapping[str, Any] | None,
    ) -> None:
        self.engine = engine
        self.probe = probe
        self._loaders = loaders
        self._checkpoints = checkpoints
        self._saved = saved

    @property
    def seconds_before(self) -> float:
        """Seconds that the run has trained in earlier processes."""
        return float(self._saved["run_seconds"]) if self._saved else 0.0

    def fit(self) -> RunEnded:
        """Train from the beginning, or from the checkpoint that was found."""
        return self.engine.fit(self._saved)

    def close(self) -> None:
        """End the loader workers, and write what is waiting to be written."""
        for loader in self._loaders:
            loader.close()
        if isinstance(self._checkpoints, FileCheckpointWriter):
            self._checkpoints.close()


def prepare_engine(
    config: Config,
    plan: DataPlan,
    folder: RunFolder,
    emitter: Emitter,
    mailbox: Mailbox,
    start: StartPoint = FROM_SCRATCH,
    group: ProcessGroup = SINGLE_PROCESS,
    emit: Emit | None = None,
) -> PreparedEngine:
    """Build model, loaders and engine, and tell of them by `emit`, which is the emitter's.

    Raises ModelError or DeviceError; with `start.content` the model gets the checkpoint's
    weights instead of those that the configuration names. Of several ranks each does all of it,
    but rank 0 alone keeps anything.
    """
    emit = emit or emitter.emit
    with group.shared_errors():
        if not group.is_main:
            require_images(plan)
        set_deterministic(config.deterministic)
        device = compute_options(config)[0].device
        emit(Preparing(stage="building the model"))
        model, weights = _model(config, plan, start)
        data_config = model_data_config(model)
        net = NormalizedModel(model, data_config["mean"], data_config["std"])  # type: ignore[arg-type]
        net.to(device)
    kept = start.content.get("choices") if start.content else None
    choices = _choices(config, net, plan, kept, group, emit)
    config = with_values(config, {"data.batch_size": choices.batch_size})
    datasets = make_datasets(config, plan, data_config)
    workers = _workers(config, datasets[0], choices, emit)
    group.set_paired_sharding(uses_mixup(config.phases.full))
    loaders = make_loaders(datasets, choices.batch_size, workers, device, group)
    emit(Preparing(stage="starting the processes that read pictures"))
    for loader in loaders:
        loader.start()
    about = {
        "config": config.model_dump(),
        "choices": choices.plain(),
        "classes": plan.classes,
        "transform": {
            "image_size": config.data.image_size,
            **{name: data_config[name] for name in ("mean", "std", "interpolation")},
            **{name: data_config[name] for name in ("crop_pct", "crop_mode")},
        },
    }
    keep = config.checkpoint.keep_manual
    history = History(folder.history if group.is_main else None, start.epochs)
    checkpoints: FileCheckpointWriter | NullCheckpointWriter = NullCheckpointWriter()
    disk: DiskHealth | NullDiskHealth = NullDiskHealth()
    if group.is_main:
        checkpoints = FileCheckpointWriter(folder.checkpoints, about, emit, keep)
        disk = DiskHealth(emitter, history, checkpoints.saver)
    with group.shared_errors():
        phase_inputs = make_phase_inputs(config, net, loaders, choices.computes, emit)
    engine = Engine(
        config=config,
        model=model,
        phase_inputs=phase_inputs,
        checkpoints=checkpoints,
        history=history,
        emit=emit,
        mailbox=mailbox,
        disk=disk,
        samples=SampleSheetWriter(folder.path if group.is_main else None, net, emit),
        fingerprint=plan.fingerprint,
        changes=start.changes,
        group=group,
    )
    emit(_model_ready(config, model, choices, weights))
    _warn_of_weights(weights, emit)
    saved = start.content["train_state"] if start.content else None
    probe = _probe(choices.computes["full"], group)
    return PreparedEngine(engine, probe, loaders, checkpoints, saved)


def require_images(plan: DataPlan) -> None:
    """Raise DataError on a machine that doesn't have the pictures that rank 0 has found."""
    first = plan.train[0].path
    if source_of(plan.root).is_missing_here(plan.root / first):
        raise DataError(
            f"{plan.root} isn't the same on {socket.gethostname()}: {first} is missing; each "
            "machine needs the pictures under the same path"
        )


def find_start_point(
    folder: RunFolder,
    past: Sequence[Record],
    config: Config,
    changes: Mapping[str, Any],
    job: Job,
) -> tuple[StartPoint, RunResumed, list[str]]:
    """Return the newest good checkpoint of a run as a place to start, the event that tells of
    it, and what is wrong with newer ones.

    A run that never wrote one starts anew; where all are damaged, raises ModelError.
    """
    content, name, problems = find_resumable(folder.checkpoints)
    if content is None and problems:
        raise ModelError(f"run {folder.id} has no checkpoint to go on from: {'; '.join(problems)}")
    first = next(phase for phase in PHASES if config.phases.get(phase).epochs > 0)
    saved = content["train_state"] if content else {}
    event = RunResumed(
        run_id=folder.id,
        phase=saved.get("phase", first),
        epoch=saved.get("epoch", 1),
        step=saved.get("step", 0),
        global_step=saved.get("global_step", 0),
        checkpoint=name,
        changes=dict(changes),
        version=__version__,
        pid=os.getpid(),
        host=job.host,
        ranks=job.size,
        job=job.id,
        restart=bool(job.id) and is_of_job(past, job.id),
    )
    state = fold([*past, Record(1, 0.0, event)])
    epochs = [point.result for point in state.epochs]
    skipped = [f"{problem}; {name} is used instead" for problem in problems]
    return StartPoint(content, name, epochs, changes), event, skipped


def _model(config: Config, plan: DataPlan, start: StartPoint) -> tuple[nn.Module, WeightsReport]:
    if start.content is None:
        return build_model(config.model, len(plan.classes), config.seed)
    bare = config.model.model_copy(update={"pretrained": False, "weights": None})
    model, _ = build_model(bare, len(plan.classes), config.seed)
    model.load_state_dict(start.content["model"])
    return model, WeightsReport(f"checkpoint {start.checkpoint}")


def _choices(
    config: Config,
    net: NormalizedModel,
    plan: DataPlan,
    kept: Mapping[str, Any] | None,
    group: ProcessGroup,
    emit: Emit,
) -> AutotuneResult:
    """Return rank 0's choices, on this rank's device."""
    pictures = len(plan.train)
    if group.size == 1:
        return choose(config, net, pictures, kept, emit)
    with group.shared_errors():
        own = choose(config, net, pictures, kept, emit) if group.is_main else None
    settled = group.broadcast(own.plain() if own else {})
    return own or choose(config, net, pictures, settled, emit)


def _workers(config: Config, train: ImageDataset, choices: AutotuneResult, emit: Emit) -> int:
    cores = max(1, usable_cores() // find_job().local_size)
    if config.data.workers != "auto":
        return config.data.workers
    if choices.seconds == 0 or cores == 1:
        return min(1, cores - 1)
    reading = seconds_per_image(train)
    shared = choices.computes["full"].device.type == "cpu"
    count = workers_needed(reading, choices.seconds, cores, shared)
    read, seen = fmt.milliseconds(reading), fmt.milliseconds(choices.seconds)
    reason = f"a picture takes {read} to read and {seen} in the network, on {cores} cores"
    emit(Chosen(what="data.workers", value=str(count), reason=reason))
    return count


def _model_ready(
    config: Config, model: nn.Module, choices: AutotuneResult, weights: WeightsReport
) -> ModelReady:
    compute = choices.computes["full"]
    return ModelReady(
        name=config.model.name,
        parameters=count_parameters(model.parameters()),
        weights=str(weights),
        device=str(compute.device),
        device_name=compute.name,
        precision="bf16" if compute.bf16 else "fp32",
        memory_format="channels_last" if compute.channels_last else "contiguous",
        image_size=config.data.image_size,
    )


def _warn_of_weights(weights: WeightsReport, emit: Emit) -> None:
    for names, what in (
        (weights.missing, "of the model were not loaded and start at random"),
        (weights.unused, "of the file have no place in the model"),
    ):
        if names:
            shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if names[6:] else "")
            emit(Warned(code="weights", message=f"{weights.source}: tensors {what}: {shown}"))


def _probe(compute: Compute, group: ProcessGroup) -> DeviceProbe:
    host = socket.gethostname() if group.size > 1 else ""
    if compute.device.type != "cuda":
        return DeviceProbe(
            str(compute.device), compute.name, rank=group.rank, host=host, waits=group.wait_fraction
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

    uuid = f"GPU-{properties.uuid}" if hasattr(properties, "uuid") else ""
    return DeviceProbe(
        f"cuda:{index}", compute.name, uuid, memory, group.rank, host, group.wait_fraction
    )
