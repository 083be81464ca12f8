"""Several ranks on this machine's CPU train one run, started from the command line."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
import torch
from safetensors.torch import save_file

from core.events import commands as cmd
from core.events.command_file import append_command
from core.events.journal import replay
from core.events.types import CommandApplied, EpochEnded, Progress, RunEnded, RunResumed, Warned
from core.run.folder import RunFolder, run_folders
from tests.make_images import make_images
from tests.tools import processes
from tests.tools.processes import Process, forked_processes
from tests.tui.command import ENDLESS, SMALL, environment, put_namesakes, run, run_new, start
from tui.runtime.signal_handlers import STOPPING

AGENTS = {"torch.distributed.run", "core.distributed"}
RANKS = ["--no-ui", "--device", "cpu", "--log-format", "json"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough for three steps per epoch, the last with fewer images than ranks."""
    return make_images(tmp_path_factory.mktemp("data") / "photos", classes=3, per_class=7)


def finished(
    folder: Path, photos: Path, ranks: int, *more: str, how: Callable[..., Any] = run
) -> RunFolder:
    got = how(*RANKS, *SMALL, "--data", str(photos), "--gpus", str(ranks), *more, cwd=folder)
    assert got.returncode == 0, got.stderr
    return next(run_folders(folder / "runs"))


@pytest.fixture(scope="module")
def single(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return finished(tmp_path_factory.mktemp("one"), photos, 1)


@pytest.fixture(scope="module")
def two(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return finished(tmp_path_factory.mktemp("two"), photos, 2)


def history(folder: RunFolder) -> pd.DataFrame:
    columns = ["phase", "epoch", "global_step", "train_loss", "train_top1", "val_loss", "val_top1"]
    return pd.read_csv(folder.history)[columns]


def assert_same(folder: RunFolder, other: RunFolder) -> None:
    pd.testing.assert_frame_equal(history(folder), history(other), rtol=1e-5)
    for name in ("best.pt", "last.pt"):
        weights, others = (
            torch.load(each.checkpoints / name, weights_only=True)["model"]
            for each in (folder, other)
        )
        for key, value in weights.items():
            torch.testing.assert_close(value, others[key], rtol=1e-3, atol=1e-4)


def test_two_ranks_train_the_same_weights_as_one(single: RunFolder, two: RunFolder) -> None:
    assert_same(two, single)


@pytest.mark.slow
def test_two_ranks_in_new_processes_do_so(single: RunFolder, photos: Path, tmp_path: Path) -> None:
    put_namesakes(tmp_path)
    assert_same(finished(tmp_path, photos, 2, how=run_new), single)


def test_progress_of_a_validation_has_the_metrics_of_all_ranks(two: RunFolder) -> None:
    events = [event for event in of(Progress, two) if event.stage == "val" and event.step == 1]
    ended = of(EpochEnded, two)
    # The whole validation is one step here.
    assert [event.loss for event in events] == [event.val_loss for event in ended]
    assert [event.top1 for event in events] == [event.val_top1 for event in ended]


@pytest.mark.slow
def test_three_ranks_do_so_with_mixup(photos: Path, tmp_path: Path) -> None:
    mixed = ("--set", "phases.full.mixup=0.4", "--set", "phases.head.epochs=0")
    (tmp_path / "one").mkdir()
    assert_same(
        finished(tmp_path, photos, 3, *mixed), finished(tmp_path / "one", photos, 1, *mixed)
    )


REGULARIZED = (
    *("--set", "model.drop_path=0.3", "--set", "model.dropout=0.2"),
    *("--set", "model.grad_checkpointing=true", "--set", "phases.full.unfreeze=1"),
    *("--set", "phases.full.epochs=2", "--set", "phases.full.monitor=macro_f1"),
    *("--set", "phases.full.optimizer=nadamw", "--set", "phases.full.ema=0.9"),
)


def test_two_ranks_drop_and_unfreeze_what_one_does(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    two = finished(tmp_path, photos, 2, *REGULARIZED)
    one = finished(tmp_path / "one", photos, 1, *REGULARIZED)
    assert_same(two, one)
    for each in of(EpochEnded, two), of(EpochEnded, one):
        assert [event.monitor for event in each][-2:] == ["macro_f1"] * 2
    assert [event.macro_f1 for event in of(EpochEnded, two)] == pytest.approx(
        [event.macro_f1 for event in of(EpochEnded, one)]
    )
    temperatures = [
        torch.load(each.checkpoints / "best.pt", weights_only=True)["metrics"]["temperature"]
        for each in (two, one)
    ]
    assert temperatures[0] == pytest.approx(temperatures[1], rel=1e-3)


@pytest.mark.slow
def test_two_ranks_scale_the_loss_as_one_does(photos: Path, tmp_path: Path) -> None:
    fp16 = ("--set", "precision=fp16")
    (tmp_path / "one").mkdir()
    two, one = (
        finished(folder, photos, ranks, *fp16)
        for folder, ranks in ((tmp_path, 2), (tmp_path / "one", 1))
    )
    pd.testing.assert_frame_equal(history(two), history(one), rtol=1e-2)
    scales = [
        torch.load(each.checkpoints / "last.pt", weights_only=True)["train_state"]["scaler"]
        for each in (two, one)
    ]
    assert scales[0] == scales[1]


def test_a_rank_without_images_blocks_no_other(photos: Path, tmp_path: Path) -> None:
    # Both images of a step may be mixed, so they are on the other rank; and there are running
    # statistics, which this rank must neither wait for nor change.
    changes = ("data.batch_size=2", "phases.full.mixup=0.1", "model.name=test_resnet")
    folder = finished(tmp_path, photos, 2, *(t for c in changes for t in ("--set", c)))
    assert of(RunEnded, folder)[-1].outcome == "finished"
    assert not of(RunResumed, folder)


_SMALL_MEMORY = """
import os, runpy, torch

backward = torch.Tensor.backward
steps = []

def counted(self, *arguments, **options):
    backward(self, *arguments, **options)
    steps.append(1)

def limited(module, arguments):
    # Like an optimizer whose state is allocated in the first step.
    (given,) = arguments or [None]
    if os.environ["RANK"] == "1" and steps and isinstance(given, torch.Tensor) and len(given) > 2:
        if given.shape[1:2] == (3,) and torch.is_grad_enabled():
            raise torch.cuda.OutOfMemoryError("injected")

torch.Tensor.backward = counted
torch.nn.modules.module.register_module_forward_pre_hook(limited)
runpy.run_module("tui", run_name="__main__")
"""


def test_out_of_memory_in_the_second_step_reduces_the_micro_batch(
    photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "limited.py").write_text(_SMALL_MEMORY)
    agent = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "limited.py"]
    full = ("--set", "phases.head.epochs=0")
    ended = processes.run(
        [*agent, *RANKS, *SMALL, *full, "--data", str(photos)], cwd=tmp_path, env=environment()
    )
    assert ended.returncode == 0, ended.stderr
    folder = next(run_folders(tmp_path / "runs"))
    assert [event.code for event in of(Warned, folder)] == ["out-of-memory"]
    assert not of(RunResumed, folder)
    (tmp_path / "one").mkdir()
    assert_same(folder, finished(tmp_path / "one", photos, 1, *full))


def of(kind: type[Any], folder: RunFolder) -> list[Any]:
    records, _ = replay(folder.journal)
    return [record.event for record in records if isinstance(record.event, kind)]


class Watched:
    """A run of two ranks whose events are read while it trains."""

    def __init__(self, process: Process, runs: Path) -> None:
        self.process = process
        self._runs = runs

    @property
    def folder(self) -> RunFolder:
        return next(run_folders(self._runs))

    def until(self, kind: str, fits: Callable[[dict[str, Any]], bool] = lambda e: True) -> Any:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = json.loads(line)
            if event["type"] == kind and fits(event):
                return event
        raise AssertionError(f"no {kind} before the end: {self.process.communicate()[1]}")

    def ask(self, command: cmd.Command) -> Any:
        append_command(self.folder.commands, command)
        return self.until("CommandApplied", lambda event: event["id"] == command.id)

    def kill(self) -> None:
        self.process.close()

    def ranks(self) -> list[psutil.Process]:
        """The processes of the ranks, rank 0 first."""
        found = [
            process
            for process in forked_processes()
            if AGENTS.isdisjoint(process.cmdline())
            and "tui" in process.cmdline()
            and process.cwd() == str(self._runs.parent)
        ]
        return sorted(found, key=lambda process: int(process.environ()["RANK"]))


@pytest.fixture
def watch(photos: Path, tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    started: list[Watched] = []

    def watch_run(*arguments: str) -> Watched:
        process = start(*RANKS, "--data", str(photos), "--gpus", "2", *arguments, cwd=tmp_path)
        started.append(Watched(process, tmp_path / "runs"))
        return started[-1]

    yield watch_run
    for watched in started:
        watched.kill()


def test_two_ranks_resume_the_run_of_one_and_one_ends_it(photos: Path, tmp_path: Path) -> None:
    endless = [*ENDLESS, "--set", "phases.full.epochs=100000", "--data", str(photos)]
    one = Watched(start(*RANKS, *endless, cwd=tmp_path), tmp_path / "runs")
    one.until("EpochEnded")
    one.ask(cmd.Stop())
    one.process.communicate()
    one.kill()

    resumed = ("--resume", one.folder.id)
    two = Watched(start(*RANKS, *resumed, "--gpus", "2", cwd=tmp_path), tmp_path / "runs")
    two.until("RunResumed", lambda event: event["ranks"] == 2)
    two.until("EpochEnded")
    two.ask(cmd.Pause())
    assert "saving manual-head" in two.ask(cmd.SaveCheckpoint())["note"]
    assert two.ask(cmd.SetPatience(patience=9))["note"].endswith("→ 9")
    two.ask(cmd.Resume())
    two.until("EpochEnded")
    two.ask(cmd.EndPhase())
    two.until("PhaseStarted", lambda event: event["phase"] == "full")
    two.ask(cmd.SetLearningRate(lr=2e-4))
    two.until("Progress")
    two.ask(cmd.Stop())
    assert two.until("RunEnded")["outcome"] == "stopped"
    assert two.process.wait(60) == 0
    two.process.communicate()
    two.kill()

    got = run("--no-ui", *resumed, "--set", "phases.full.epochs=1", cwd=tmp_path)
    assert got.returncode == 0, got.stderr
    assert [event.ranks for event in of(RunResumed, one.folder)] == [2, 1]


@pytest.mark.slow
def test_a_killed_rank_costs_nothing(watch: Callable[..., Watched], two: RunFolder) -> None:
    # `python -m tests.stress.ranks` kills rank 0 too, and more often.
    watched = watch(*SMALL)
    watched.until("EpochEnded")
    watched.ranks()[1].kill()
    assert watched.until("RunEnded")["outcome"] == "finished"
    assert watched.process.wait(60) == 0
    assert [event.restart for event in of(RunResumed, watched.folder)] == [True]
    errors = watched.process.communicate()[1]
    assert "error:" not in errors
    assert "; restarting all ranks" in errors
    pd.testing.assert_frame_equal(history(watched.folder), history(two))


def test_a_finished_run_is_refused_and_no_rank_waits(two: RunFolder) -> None:
    arguments = ("--no-ui", "--resume", two.id, "--gpus", "2")
    got = run(*arguments, cwd=two.path.parents[1], CUDA_VISIBLE_DEVICES="0,1")
    assert got.returncode == 2, got.stderr
    assert got.stderr.count("is finished; to continue") == 1


def test_a_run_interrupted_before_its_split_scans_the_images(
    two: RunFolder, tmp_path: Path
) -> None:
    shutil.copytree(two.path, tmp_path / "runs" / two.id)
    folder = RunFolder(tmp_path / "runs" / two.id)
    folder.split.unlink()
    shutil.rmtree(folder.checkpoints)
    folder.checkpoints.mkdir()
    got = run("--no-ui", "--resume", two.id, "--set", "phases.full.epochs=2", cwd=tmp_path)
    assert got.returncode == 0, got.stderr
    assert folder.split.read_text() == two.split.read_text()
    assert len(history(folder)) == 4


def test_an_error_before_the_run_is_printed_once(photos: Path, tmp_path: Path) -> None:
    save_file({"of.another.network": torch.zeros(3)}, tmp_path / "other.safetensors")
    wrong = ("--set", "model.weights=other.safetensors", "--log-format", "plain")
    got = run(*RANKS, *SMALL, *wrong, "--data", str(photos), "--gpus", "2", cwd=tmp_path)
    assert got.returncode == 2, got.stderr
    assert got.stderr.count("error: ") == 1
    assert "other.safetensors" in got.stderr
    assert not list(run_folders(tmp_path / "runs"))


def test_ctrl_c_saves_and_stops(watch: Callable[..., Watched]) -> None:
    watched = watch(*ENDLESS)
    watched.until("EpochEnded")
    os.kill(watched.process.pid, signal.SIGINT)
    assert watched.until("RunEnded")["outcome"] == "stopped"
    assert watched.process.wait(60) == 130
    assert [event.command for event in of(CommandApplied, watched.folder)] == ["Stop"]
    # Once, and neither warnings nor a traceback of torchrun.
    assert watched.process.communicate()[1] == f"{STOPPING.format('Ctrl-C')}\n"


def test_torchrun_with_a_signal_that_arrives_twice(photos: Path, tmp_path: Path) -> None:
    agent = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    process = Process(
        [*agent, "-m", "tui", *RANKS, *ENDLESS, "--data", str(photos)],
        cwd=tmp_path,
        env=environment(),
    )
    watched = Watched(process, tmp_path / "runs")
    watched.until("EpochEnded")
    leader = watched.ranks()[0]
    leader.terminate()
    process.terminate()
    assert watched.until("RunEnded")["outcome"] == "stopped"
    process.communicate()
    watched.kill()
    assert (watched.folder.checkpoints / "last.pt").exists()
