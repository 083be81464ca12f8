"""Batches in a keyed order, made by worker processes or in the engine's own thread."""

import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from statistics import median

import torch
from timm.data import create_transform
from torch.utils.data import DataLoader, Sampler

from core.common.cache import allocate_entry
from core.common.seeds import derive_seed
from core.config.schema import Config
from core.data.decode import silence_pillow
from core.data.image_cache import ImageCache, bytes_per_image, cached_short_side
from core.data.loading.dataset import Batch, ImageDataset, SampleKey, Transform, collate
from core.data.loading.dataset import LoaderError as LoaderError
from core.data.loading.forkserver import start_forkserver
from core.data.loading.order import epoch_order as epoch_order
from core.data.loading.to_device import on_device
from core.data.split import DataPlan
from core.distributed.group import ALONE, Team

EVAL_BATCH_FACTOR = 4
"""How many times the pictures of a training step an evaluation puts through the network at once:
it keeps nothing for a gradient, which is by far the most of what training needs."""
_READ_AT_MOST = 16
_READ_SECONDS = 0.3
_LOOK_SECONDS = 0.5


def batched(places: list[int], size: int) -> list[list[int]]:
    """Return places in the data set as batches of `size`; the last one may be smaller."""
    return [places[start : start + size] for start in range(0, len(places), size)]


def make_transforms(config: Config, data_config: dict[str, object]) -> tuple[Transform, Transform]:
    """Return timm's transforms for training and validation: from a picture to uint8 (C, H, W).

    Erased rectangles are zero after normalising: with them training pictures are float32 and
    normalised. `data_config` is the model's own, from `timm.data.resolve_data_config`: mean, std,
    interpolation and crop are the ones it was trained with.
    """
    side, augment = config.data.image_size, config.data.augment
    common = {"input_size": (3, side, side), "mean": data_config["mean"], "std": data_config["std"]}
    interpolation = data_config["interpolation"]
    train = create_transform(
        **common,
        is_training=True,
        interpolation=interpolation,
        scale=(augment.min_scale, 1.0),
        hflip=augment.hflip,
        vflip=augment.vflip,
        color_jitter=augment.color_jitter or None,
        auto_augment=augment.auto_augment,
        re_prob=augment.erase,
        normalize=augment.erase > 0,
    )
    val = create_transform(
        **common,
        is_training=False,
        interpolation=interpolation,
        crop_pct=data_config["crop_pct"],
        crop_mode=data_config["crop_mode"],
        normalize=False,
    )
    return train, val


class _Batches(Sampler[list[SampleKey]]):
    """The keys of one pass, in batches; `begin` says which pass comes next.

    Of several ranks each has its share of every batch.
    """

    def __init__(self, team: Team) -> None:
        self._team = team
        self._pass: tuple[str, int] = ("", 0)
        self._places: list[list[int]] = []
        self._done = 0

    def begin(self, phase: str, epoch: int, batches: list[list[int]], done: int) -> None:
        self._pass, self._places, self._done = (phase, epoch), batches, done

    def __iter__(self) -> Iterator[list[SampleKey]]:
        times: Counter[int] = Counter()
        for number, places in enumerate(self._places):
            keys = []
            for place in places:
                keys.append(SampleKey(*self._pass, place, times[place]))
                times[place] += 1
            if number >= self._done:
                yield self._team.mine(keys)

    def __len__(self) -> int:
        return len(self._places) - self._done


class Loader:
    """One side of the data as batches, pass after pass, from workers that stay alive.

    Of several ranks each gets its share of every batch: all go through the same batches.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        batch_size: int,
        workers: int,
        device: torch.device,
        team: Team = ALONE,
    ) -> None:
        self.team = team
        self.device = device
        self.dataset = dataset
        self.batch_size = batch_size
        self.steps = -(-len(dataset) // batch_size)
        self._batches = _Batches(team)
        self._loader: DataLoader[Batch] | None = DataLoader(
            dataset,  # type: ignore[arg-type]
            batch_sampler=self._batches,
            collate_fn=collate,
            num_workers=workers,
            pin_memory=device.type == "cuda",
            persistent_workers=workers > 0,
            worker_init_fn=_init_worker if workers else None,
            multiprocessing_context=start_forkserver() if workers else None,
        )

    def start(self) -> None:
        """Start the workers now, so that the first batch doesn't wait for them."""
        for _ in self.batches("", 0, []):
            continue

    def epoch(
        self, phase: str, epoch: int, order: list[int] | None = None, done: int = 0
    ) -> Iterator[Batch]:
        """Yield the batches of one pass but the first `done`; without an order, in the data
        set's own. Raises LoaderError when a worker has died."""
        places = order or list(range(len(self.dataset)))
        return self.batches(phase, epoch, batched(places, self.batch_size), done)

    def batches(
        self, phase: str, epoch: int, places: list[list[int]], done: int = 0
    ) -> Iterator[Batch]:
        """Yield just these batches but the first `done`, each given by its places in the data
        set; `epoch` keys the augmentation. Raises LoaderError when a worker has died."""
        assert self._loader is not None, "the loader was closed"
        self._batches.begin(phase, epoch, places, done)
        return on_device(_named_death(self._loader), self.device)

    def missing(self, phase: str, epoch: int) -> Iterator[Batch]:
        """Pictures need nothing before an epoch can begin."""
        return iter(())

    def pictures(self, phase: str, epoch: int, batch: Batch, most: int) -> Batch:
        """Return the first pictures of a batch of this epoch."""
        return Batch(batch.images[:most], batch.labels[:most], batch.indices[:most], failed=[])

    def load_now(self, phase: str, epoch: int, places: list[int]) -> Batch:
        """Make pictures in this very thread, to look at: fewer where they are slow to read."""
        began = time.perf_counter()
        samples = []
        for place in places:
            samples.append(self.dataset[SampleKey(phase, epoch, place)])
            if time.perf_counter() - began > _LOOK_SECONDS:
                break
        return collate(samples)

    def close(self) -> None:
        """End the workers."""
        self._loader = None


def _named_death(batches: Iterable[Batch]) -> Iterator[Batch]:
    try:
        yield from batches
    except (RuntimeError, OSError, EOFError) as error:
        # A worker may also die while a picture of its is being taken over: then the pipe breaks.
        if isinstance(error, RuntimeError) and "DataLoader worker" not in str(error):
            raise
        known = " ".join(str(error).split()) or type(error).__name__
        raise LoaderError(
            f"a process that reads pictures died ({known}), perhaps for lack of memory; resume the "
            "run, with fewer data.workers if it happens again"
        ) from error


def make_datasets(
    config: Config, plan: DataPlan, data_config: dict[str, object]
) -> tuple[ImageDataset, ImageDataset]:
    """Return the training and validation pictures."""
    train, val = make_transforms(config, data_config)
    pictures = _picture_cache(config, plan, data_config) if config.data.decode_once else None
    about = (config.seed, val, pictures, config.data.background)
    return (
        ImageDataset(plan, "train", train, *about),
        ImageDataset(plan, "val", val, *about),
    )


def make_loaders(
    datasets: tuple[ImageDataset, ImageDataset],
    batch_size: int,
    workers: int,
    device: torch.device,
    team: Team = ALONE,
) -> tuple[Loader, Loader]:
    """Return the loaders of training and validation pictures."""
    train, val = datasets
    # Validation has fewer pictures and a cheaper transform: half the workers keep up.
    half = -(-workers // 2)
    # A GPU is idle between two batches, the less the larger they are. A CPU isn't, and a person's
    # command waits for a batch.
    val_size = (EVAL_BATCH_FACTOR if device.type == "cuda" else 1) * batch_size
    return (
        Loader(train, batch_size, workers, device, team),
        Loader(val, val_size, half, device, team),
    )


def seconds_per_image(dataset: ImageDataset) -> float:
    """Return what it takes to make a training picture in one process, by a few of them."""
    step = max(1, len(dataset) // _READ_AT_MOST)
    times: list[float] = []
    for place in range(0, len(dataset), step):
        began = time.perf_counter()
        dataset[SampleKey("head", 1, place)]
        times.append(time.perf_counter() - began)
        if sum(times) > _READ_SECONDS and len(times) > 1:
            break
    return median(times[1:] or times)  # the first one also loads what reads it


def _picture_cache(config: Config, plan: DataPlan, data_config: dict[str, object]) -> ImageCache:
    crop_pct = float(str(data_config["crop_pct"]))
    short = cached_short_side(config.data.image_size, config.data.augment.min_scale, crop_pct)
    members = [*plan.train, *plan.val]
    files = [plan.root / picture.path for picture in members]
    needed = len(members) * bytes_per_image(files, short)
    background = config.data.background
    name = f"{derive_seed(str(plan.root), short, background):016x}"
    folder = allocate_entry("pictures", name, needed, config.cache.max_gb)
    return ImageCache(short, folder, background)


def _init_worker(worker: int) -> None:
    # Ctrl-C and Slurm's SIGTERM reach all processes of a job at once. They are the main process'
    # to handle: it ends the workers after its checkpoint, and they end when it is gone.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_main, name="end-with-main", daemon=True).start()
    torch.set_num_threads(1)
    silence_pillow()


def _end_with_main() -> None:
    # A main process that was killed closes no loader, and the server that the workers look to as
    # their parent lives as long as one of them does.
    main = multiprocessing.parent_process()
    if main is not None:
        main.join()
        os._exit(1)
