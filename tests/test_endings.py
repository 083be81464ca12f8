"""However a run ends: it ends soon, with one sentence, and nothing stays behind."""

import logging
import math
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from core.common.native_stderr import native_stderr_to
from core.data.assign import SplitOptions
from core.data.loading import forkserver, worker_check
from core.data.loading import loader as loading
from core.data.loading.dataset import ImageDataset, LoaderError
from core.data.loading.loader import Loader
from core.data.loading.transforms import make_transforms
from core.data.split import plan_data
from core.events import types as ev
from core.events.commands import CommandQueue, Pause, Stop
from core.events.emitter import Emitter
from core.events.record import Record
from core.run.history_csv import History
from core.session.engine_thread import EngineThread
from core.session.fit import fit
from core.training import setup
from core.training.checkpoints.disk_health import MAX_FOLDER_SECONDS, MAX_RETRIES, DiskHealth
from core.training.checkpoints.writer_thread import WriterThread
from core.training.metrics import PassResult
from core.training.train_state import Best
from tests.core.engine_kit import scores, small_config, train
from tests.make_images import make_images
from tui.runtime import signal_handlers
from tui.runtime.reporters import follow
from tui.runtime.signal_handlers import STOPPING, StopSignals

pytestmark = pytest.mark.usefixtures("forked_interpreter")


def fail(image: object) -> Tensor:
    raise ValueError("bad number of bits")


def hang(image: object) -> Tensor:
    time.sleep(600)
    raise AssertionError


def datasets_with(transform: Callable[[Any], Tensor]) -> Callable[..., Any]:
    """Return a `make_datasets` whose training images get this transform."""
    real = setup.make_datasets

    def make(*arguments: Any) -> tuple[ImageDataset, ImageDataset]:
        train_set, val_set = real(*arguments)
        train_set.transform = transform
        return train_set, val_set

    return make


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("photos"), classes=2, per_class=6)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_in_a_transform_fails_the_run_with_its_reason(
    workers: int, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "make_datasets", datasets_with(fail))
    monkeypatch.setattr(setup, "_choose_workers", lambda *arguments: workers)
    engine = EngineThread(small_config(photos), tmp_path)
    engine.start()
    result = engine.join(60)
    assert result is not None
    assert (result.outcome, result.exit_code) == ("failed", 1)
    assert result.reason == "ValueError: bad number of bits"
    assert engine.folder is not None
    assert "in fail" in engine.folder.log.read_text(), "the traceback is in the log"
    assert multiprocessing.active_children() == []


def test_workers_that_hang_are_reported_and_killed(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_CLOSE_SECONDS", 0.1)
    plan = plan_data(photos, SplitOptions(0.25, 0), use_cache=False)
    assert plan is not None
    loader = Loader(ImageDataset(plan, "train", hang, 0), 2, 1, torch.device("cpu"), max_wait=0.2)
    loader.start()
    with pytest.raises(LoaderError, match=r"no images arrived for .* the storage"):
        next(loader.epoch("head", 1))
    loader.close()
    assert multiprocessing.active_children() == []


def test_a_worker_that_has_died_is_not_waited_for(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_check, "CHECK_SECONDS", 0.05)
    plan = plan_data(photos, SplitOptions(0.25, 0), use_cache=False)
    assert plan is not None
    loader = Loader(ImageDataset(plan, "train", fail, 0), 2, 1, torch.device("cpu"), max_wait=3.0)
    loader.start()
    queue = loader._loader._iterator._data_queue  # type: ignore[union-attr]
    get, waits = queue.get, []

    def watched(timeout: float) -> object:
        waits.append(timeout)
        return get(timeout=timeout)

    monkeypatch.setattr(queue, "get", watched)
    [worker] = multiprocessing.active_children()
    worker.kill()
    worker.join()
    with pytest.raises(LoaderError, match="a data loader worker died"):
        next(loader.epoch("head", 1))
    assert waits and max(waits) <= worker_check.CHECK_SECONDS, "it is checked again and again"
    loader.close()


def test_signals_of_a_terminal_reach_no_helper_process(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[set[int], bool]] = []

    def start() -> None:
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        is_quiet = any("resource_tracker" in option for option in sys.warnoptions)
        started.append((set(blocked), is_quiet))

    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    options = sys.warnoptions[:]
    monkeypatch.setattr(forkserver.resource_tracker, "ensure_running", start)
    monkeypatch.setattr(forkserver.forkserver, "ensure_running", start)
    forkserver.start_forkserver()
    signals = {signal.SIGHUP, signal.SIGINT, signal.SIGTERM}
    assert all(blocked >= signals for blocked, _ in started)
    assert [is_quiet for _, is_quiet in started] == [True, False]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    assert sys.warnoptions == options


@pytest.mark.parametrize("error", [MemoryError("all of it"), KeyError("a mistake")])
def test_a_writer_that_fails_in_any_way_leaves_nobody_waiting(error: Exception) -> None:
    def write() -> None:
        raise error

    writer = WriterThread()
    writer.submit("last.pt", write)
    assert not writer.wait(60)
    assert writer.error is error
    writer.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SimpleNamespace]:
    (tmp_path / "run").mkdir()
    now = [0.0]
    writer = WriterThread()
    health = DiskHealth(tmp_path / "run", Emitter(), History(None), writer, clock=lambda: now[0])
    yield SimpleNamespace(health=health, writer=writer, now=now, folder=tmp_path / "run")
    writer.close()


def raising(error: Exception) -> Callable[[], None]:
    def task() -> None:
        raise error

    return task


def test_a_run_whose_folder_is_gone_names_it_and_gives_up(disk: SimpleNamespace) -> None:
    disk.folder.rmdir()
    disk.writer.submit("last.pt", raising(FileNotFoundError(2, "No such file or directory")))
    disk.health.wait()
    assert disk.health.problem == f"the folder of the run is gone: {disk.folder}"
    disk.health.retry()
    disk.now[0] += MAX_FOLDER_SECONDS - 1
    assert disk.health.failure == ""
    disk.now[0] += 1
    assert disk.health.failure.endswith("it did not come back in 10 minutes")
    disk.folder.mkdir()
    disk.health.retry()
    assert disk.health.failure == ""


def test_a_full_disk_is_waited_for_and_a_mistake_is_not(disk: SimpleNamespace) -> None:
    disk.writer.submit("last.pt", raising(OSError(28, "No space left on device")))
    disk.health.wait()
    for _ in range(3 * MAX_RETRIES):
        disk.health.retry()
    assert disk.health.problem == "the checkpoint can't be written: No space left on device"
    assert disk.health.failure == ""
    disk.writer._tasks[0] = ("last.pt", raising(KeyError("x")))
    for _ in range(MAX_RETRIES):
        assert disk.health.failure == ""
        disk.health.retry()
    assert disk.health.failure.endswith(f"KeyError: 'x'; {MAX_RETRIES} retries failed")


def test_a_command_reaches_the_engine_from_a_signal_handler_in_the_middle_of_a_send() -> None:
    queue, sent = CommandQueue(), [0]

    def send(number: int, frame: object) -> None:
        queue.send(Pause())
        sent[0] += 1

    before = signal.signal(signal.SIGPROF, send)
    signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
    try:
        while sent[0] < 20:
            queue.send(Stop())
            taken = queue.take()
            assert taken is not None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    while queue.take():
        continue
    assert not queue
    assert not queue.wait(0)
    queue.send(Stop())
    assert queue.wait(0) and queue and isinstance(queue.take(), Stop)


def test_the_last_record_is_reported_if_the_engine_ends_while_the_queue_is_read() -> None:
    queue: SimpleQueue[Record] = SimpleQueue()
    shown: list[int] = []

    class Engine:
        replayed = 0
        asked = 0
        records = EngineThread.records

        @property
        def alive(self) -> bool:
            """Ends right after it was asked, with one more record."""
            self.asked += 1
            if self.asked == 1:
                queue.put(Record(1, 0.0, ev.RunEnded(outcome="finished", reason="")))
            return False

        def join(self) -> str:
            return "ended"

    reporter = SimpleNamespace(show=lambda record, state: shown.append(record.seq), close=list)
    assert follow(Engine(), queue, reporter) == "ended"  # type: ignore[arg-type, comparison-overlap]
    assert shown == [1]


@pytest.mark.parametrize(
    ("top1", "loss", "wins"),
    [(0.75, math.nan, False), (0.75, math.inf, False), (math.nan, 0.1, False), (0.75, 0.1, True)],
)
def test_an_epoch_that_is_not_finite_is_never_the_best(
    top1: float, loss: float, wins: bool
) -> None:
    assert Best("head", 1, top1, 1.0, loss).beats(None) is wins


def test_a_run_without_a_finite_validation_fails(photos: Path, tmp_path: Path) -> None:
    results = [PassResult(loss=math.nan, top1=0.75, top5=1.0, count=10)] * 4
    run = train(small_config(photos), tmp_path, val_results=results)
    assert (run.ended.outcome, run.ended.best_phase) == ("failed", "")
    assert "no validation pass was complete and had a finite loss" in run.ended.reason
    assert not any(e.best or e.phase_best for e in run.of(ev.EpochEnded))
    assert not (run.folder.checkpoints / "best.pt").exists()


def test_a_validation_with_fewer_images_decides_nothing(photos: Path, tmp_path: Path) -> None:
    short = PassResult(loss=0.1, top1=1.0, top5=1.0, count=1)
    results = [*scores(0.5), short, *scores(0.6, 0.7)]
    run = train(small_config(photos, "data.val_fraction=0.3"), tmp_path, val_results=results)
    assert [e.best for e in run.of(ev.EpochEnded)] == [True, False, True, True]
    assert [e.bad_epochs for e in run.of(ev.EpochEnded)][:2] == [0, 0]
    [warned] = [w for w in run.of(ev.Warned) if w.code == "validation"]
    assert warned.message.startswith("validation of head epoch 2 has only 1 of ")


def storage(photos: Path, tmp_path: Path, waits: tuple[float, ...]) -> ImageDataset:
    root = tmp_path / "mounted"
    root.symlink_to(photos)
    plan = plan_data(root, SplitOptions(0.25, 0), use_cache=False)
    assert plan is not None
    plain = make_transforms(
        small_config(photos),
        {
            "mean": (0, 0, 0),
            "std": (1, 1, 1),
            "interpolation": "bicubic",
            "crop_pct": 1.0,
            "crop_mode": "center",
        },
    )[1]
    return ImageDataset(plan, "train", plain, 0, waits=waits)


def test_images_whose_folder_is_away_for_a_while_are_read_later(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = storage(photos, tmp_path, waits=(1.0, 2.0, 4.0))
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            (tmp_path / "mounted").symlink_to(photos)

    monkeypatch.setattr("core.data.loading.dataset.time.sleep", sleep)
    expected = dataset[loading.SampleKey("head", 1, 0)].image
    (tmp_path / "mounted").unlink()
    again = dataset[loading.SampleKey("head", 1, 0)].image
    assert waited == [1.0, 2.0]
    assert again is not None and expected is not None and torch.equal(again, expected)


def test_images_whose_folder_stays_away_end_the_run_resumable(photos: Path, tmp_path: Path) -> None:
    dataset = storage(photos, tmp_path, waits=(0.0, 0.0))
    (tmp_path / "mounted").unlink()
    with pytest.raises(LoaderError, match=r"can't be read: No such file or directory; resume"):
        dataset[loading.SampleKey("head", 1, 0)]


def test_a_call_of_the_library_leaves_no_trace_in_the_process(photos: Path, tmp_path: Path) -> None:
    def state() -> tuple[Any, ...]:
        return (
            random.getstate(),
            np.random.get_state()[1].tobytes(),  # type: ignore[union-attr]
            torch.get_rng_state().numpy().tobytes(),
            torch.are_deterministic_algorithms_enabled(),
            torch.backends.cudnn.benchmark,
            warnings.filters[:],
            warnings.showwarning,
            logging.getLogger().handlers[:],
            set(threading.enumerate()),
        )

    before = state()
    fit(small_config(photos, "deterministic=true"), runs_dir=tmp_path)
    assert state() == before


@pytest.fixture
def handlers() -> Iterator[None]:
    saved = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in saved.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_a_signal_is_announced_and_its_repeats_are_ignored(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now, stops, exits = [100.0], [], []
    monkeypatch.setattr(signal_handlers.os, "_exit", exits.append)
    monkeypatch.setattr(signal_handlers, "_remove_sockets", lambda: None)
    StopSignals(stops.append, announcement=STOPPING.format, clock=lambda: now[0])
    signal.raise_signal(signal.SIGINT)
    now[0] += 0.9
    signal.raise_signal(signal.SIGINT)
    assert (stops, exits) == (["Ctrl-C"], [])
    assert capfd.readouterr().err == (
        "Ctrl-C: stopping after this step; once more to exit without saving\n"
    )
    now[0] += 0.2
    signal.raise_signal(signal.SIGTERM)
    assert exits == [143]


@pytest.mark.usefixtures("handlers")
def test_a_signal_is_announced_on_standard_error_while_native_output_goes_to_the_log(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    log = tmp_path / "log.txt"
    with native_stderr_to(log):
        StopSignals(lambda reason: None, announcement=STOPPING.format)
        signal.raise_signal(signal.SIGTERM)
        os.write(2, b"a library\n")
    assert capfd.readouterr().err == f"{STOPPING.format('SIGTERM')}\n"
    assert log.read_text() == "a library\n"
