"""Data loaders: batches in seeded order, from worker processes or the engine's own thread."""

import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import torch
from torch.utils.data import Sampler

from core.common.cache import allocate_entry
from core.common.seeds import derive_seed
from core.config.phases import HEAD
from core.config.schema import Config
from core.data.decode import DECODERS
from core.data.image_cache import ImageCache, bytes_per_image, cached_short_side
from core.data.loading.dataset import (
    Batch,
    ImageDataset,
    LoaderError,
    SampleKey,
    Transform,
    collate,
)
from core.data.loading.forkserver import start_forkserver
from core.data.loading.transforms import make_transforms
from core.data.loading.worker import init_worker
from core.data.loading.worker_check import CheckedDataLoader
from core.data.split import DataPlan
from core.data.value_range import cache_key
from core.distributed.process_group import SINGLE_PROCESS, ProcessGroup

EVAL_BATCH_FACTOR = 4
"""Evaluation batch size in training micro-batches: without activations kept for gradients, which
are by far the largest part of training memory, more images fit."""
_PROBED_IMAGES = 16
_PROBE_SECONDS = 0.3
_LOAD_NOW_SECONDS = 0.5
_CLOSE_SECONDS = 2.0
"""Time for the workers to end by themselves."""
MAX_WAIT_SECONDS = 600.0
"""Maximum time to wait for a batch from worker processes."""


def batched(indices: list[int], size: int) -> list[list[int]]:
    """Return dataset indices as batches of `size`; the last one may be smaller."""
    return [indices[start : start + size] for start in range(0, len(indices), size)]


class EpochBatchSampler(Sampler[list[SampleKey]]):
    """Batch sampler over the sample keys of one pass, which `begin_pass` sets.

    With several ranks, each gets its shard of every batch.
    """

    def __init__(self, group: ProcessGroup) -> None:
        self._group = group
        self._pass: tuple[str, int] = ("", 0)
        self._batches: list[list[int]] = []
        self._skip = 0

    def begin_pass(self, phase: str, epoch: int, batches: list[list[int]], skip: int) -> None:
        """Set the batches of dataset indices to iterate next; the first `skip` are left out."""
        self._pass, self._batches, self._skip = (phase, epoch), batches, skip

    def __iter__(self) -> Iterator[list[SampleKey]]:
        repeats: Counter[int] = Counter()
        for number, indices in enumerate(self._batches):
            keys = []
            for index in indices:
                keys.append(SampleKey(*self._pass, index, repeats[index]))
                repeats[index] += 1
            if number >= self._skip:
                yield self._group.local_shard(keys)

    def __len__(self) -> int:
        return len(self._batches) - self._skip


class Loader:
    """Batches of one dataset on the device, pass after pass, from persistent workers.

    With several ranks, all iterate the same batches and each gets its shard of every batch.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        batch_size: int,
        workers: int,
        device: torch.device,
        group: ProcessGroup = SINGLE_PROCESS,
        max_wait: float = MAX_WAIT_SECONDS,
        log: Path | None = None,
    ) -> None:
        """`max_wait` are the seconds after which workers that deliver no batch have failed; `log`
        gets the messages of native libraries in workers."""
        self.group = group
        self.device = device
        self.dataset = dataset
        self.batch_size = batch_size
        self.steps = -(-len(dataset) // batch_size)
        self._sampler = EpochBatchSampler(group)
        self._workers = start_forkserver() if workers else None
        self._loader: CheckedDataLoader | None = CheckedDataLoader(
            dataset,  # type: ignore[arg-type]
            batch_sampler=self._sampler,
            collate_fn=collate,
            num_workers=workers,
            pin_memory=device.type == "cuda",
            persistent_workers=workers > 0,
            worker_init_fn=partial(init_worker, log) if workers else None,
            multiprocessing_context=self._workers,
            timeout=max_wait if workers else 0,
        )

    def start(self) -> None:
        """Start the workers now, so that the first batch doesn't wait for them."""
        for _ in self.batches("", 0, []):
            continue

    def epoch(
        self, phase: str, epoch: int, order: list[int] | None = None, done: int = 0
    ) -> Iterator[Batch]:
        """Yield the batches of one pass except the first `done`.

        `order` are dataset indices, by default all in order. Raises LoaderError.
        """
        indices = order or list(range(len(self.dataset)))
        return self.batches(phase, epoch, batched(indices, self.batch_size), done)

    def batches(
        self, phase: str, epoch: int, batches: list[list[int]], done: int = 0
    ) -> Iterator[Batch]:
        """Yield the given batches of dataset indices except the first `done`.

        `epoch` seeds the augmentation. Raises LoaderError if loading fails, a worker has died or
        the workers deliver nothing.
        """
        assert self._loader is not None, "the loader was closed"
        self._sampler.begin_pass(phase, epoch, batches, done)
        return to_device(_with_loader_errors(self._loader), self.device)

    def missing(self, phase: str, epoch: int) -> Iterator[Batch]:
        """Yield nothing: unlike features, images need no preparation before an epoch."""
        return iter(())

    def batch_images(self, phase: str, epoch: int, batch: Batch, most: int) -> Batch:
        """Return the first `most` images of a batch of this epoch."""
        return Batch(batch.images[:most], batch.labels[:most], batch.indices[:most], failed=[])

    def load_now(self, phase: str, epoch: int, indices: list[int]) -> Batch:
        """Load images in the calling thread, for display; fewer if they are slow to read."""
        began = time.perf_counter()
        samples = []
        for index in indices:
            samples.append(self.dataset[SampleKey(phase, epoch, index)])
            if time.perf_counter() - began > _LOAD_NOW_SECONDS:
                break
        return collate(samples)

    def close(self) -> None:
        """End the workers."""
        self._loader = None
        if self._workers is not None:
            self._workers.end_workers(_CLOSE_SECONDS)


def to_device(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """Yield batches with images and labels moved to the device.

    On CUDA they are copied from pinned memory in a separate stream: a batch is copied while the
    network still computes the previous one.
    """
    if device.type != "cuda":
        yield from batches
        return
    copies = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    for batch in batches:
        with torch.cuda.stream(copies):
            images = batch.images.to(device, non_blocking=True)
            labels = batch.labels.to(device, non_blocking=True)
        compute = torch.cuda.current_stream(device)
        compute.wait_stream(copies)
        # The allocator must not reuse this memory before the computation is done with it.
        images.record_stream(compute)
        labels.record_stream(compute)
        yield batch._replace(images=images, labels=labels)


def make_datasets(
    config: Config, plan: DataPlan, data_config: dict[str, object]
) -> tuple[ImageDataset, ImageDataset]:
    """Return the training and validation datasets."""
    train, val = make_transforms(config, data_config)
    cache = _image_cache(config, plan, data_config) if config.data.decode_once else None

    def dataset(split: str, transform: Transform) -> ImageDataset:
        return ImageDataset(
            plan,
            split,
            transform,
            config.seed,
            plain=val,
            image_cache=cache,
            background=config.data.background,
        )

    return dataset("train", train), dataset("val", val)


def make_loaders(
    datasets: tuple[ImageDataset, ImageDataset],
    batch_size: int,
    workers: int,
    device: torch.device,
    group: ProcessGroup = SINGLE_PROCESS,
    log: Path | None = None,
) -> tuple[Loader, Loader]:
    """Return the training and validation loaders; `log` is as for `Loader`."""
    train, val = datasets
    # Validation has fewer images and a cheaper transform: half the workers are fast enough.
    val_workers = -(-workers // 2)
    # A GPU is idle between two batches, so larger batches are faster. A CPU isn't, and the user's
    # commands wait for the end of a batch.
    val_size = (EVAL_BATCH_FACTOR if device.type == "cuda" else 1) * batch_size
    return (
        Loader(train, batch_size, workers, device, group, log=log),
        Loader(val, val_size, val_workers, device, group, log=log),
    )


def seconds_per_image(dataset: ImageDataset) -> float:
    """Return the median time to load a training image in one process, measured on a few."""
    step = max(1, len(dataset) // _PROBED_IMAGES)
    times: list[float] = []
    for index in range(0, len(dataset), step):
        began = time.perf_counter()
        dataset[SampleKey(HEAD, 1, index)]
        times.append(time.perf_counter() - began)
        if sum(times) > _PROBE_SECONDS and len(times) > 1:
            break
    return median(times[1:] or times)  # the first one includes imports of the decoder


def _with_loader_errors(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Yield batches; raise every error, of this process or a worker, as a LoaderError."""
    try:
        yield from batches
    except LoaderError:
        raise
    except Exception as error:  # transforms and worker processes raise almost anything
        logging.getLogger(__name__).exception("loading images failed")
        raise LoaderError(_reason(error)) from error


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[-1] if lines else ""
    if "DataLoader timed out" in text:
        return (
            f"no images arrived for {MAX_WAIT_SECONDS:.0f} s: the storage of the images may be "
            "stuck; resume the run once it responds"
        )
    is_raised_there = bool(lines) and "in DataLoader worker process" in lines[0]
    # A worker may also die while a tensor is being transferred, which breaks the pipe.
    is_dead = "DataLoader worker" in text or isinstance(error, OSError | EOFError)
    if is_dead and not is_raised_there:
        is_transfer = isinstance(error, OSError | EOFError)
        how = "while sending images" if is_transfer else " ".join(str(error).split())
        return (
            f"a data loader worker died ({how}), perhaps out of memory; resume the run, with fewer "
            "data.workers if it happens again"
        )
    return text if is_raised_there else f"{type(error).__name__}: {text}"


def _image_cache(config: Config, plan: DataPlan, data_config: dict[str, object]) -> ImageCache:
    crop_pct = float(str(data_config["crop_pct"]))
    short = cached_short_side(config.data.image_size, config.data.augment.min_scale, crop_pct)
    images = [*plan.train, *plan.val]
    files = [plan.root / image.path for image in images]
    needed = len(images) * bytes_per_image(files, short)
    background, ranges = config.data.background, plan.value_ranges
    # Without deep images as before there were ranges: the entries of earlier runs stay in use.
    on = [cache_key(ranges)] if ranges else []
    name = f"{derive_seed(str(plan.root), short, background, DECODERS, *on):016x}"
    folder = allocate_entry("pictures", name, needed, config.cache.max_gb)
    return ImageCache(short, folder, background, ranges)
