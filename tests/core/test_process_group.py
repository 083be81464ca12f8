"""Shards of a batch, single-process collectives, and the environment of torchrun."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.common.errors import SetupError
from core.distributed.process_group import SINGLE_PROCESS, RankUnreachable, StepMessage, shard
from core.distributed.torch_process_group import TorchProcessGroup
from core.distributed.torchrun_env import Job, find_job
from core.events.record import Record
from core.events.types import CheckpointSaved, Event, RunResumed
from core.run.find import changes_of_job
from tui.runtime.launch import count_ranks


@given(count=st.integers(0, 200), size=st.integers(1, 9))
def test_shards_contain_each_item_once(count: int, size: int) -> None:
    for paired_sharding, unequal in ((False, 1), (True, 2)):
        shares = [shard(range(count), rank, size, paired_sharding) for rank in range(size)]
        assert sorted(place for share in shares for place in share) == list(range(count))
        assert max(map(len, shares)) - min(map(len, shares)) <= unequal


@given(count=st.integers(0, 200), size=st.integers(1, 9))
def test_images_mixed_with_each_other_are_in_one_shard(count: int, size: int) -> None:
    for rank in range(size):
        share = shard(range(count), rank, size, paired_sharding=True)
        assert [count - 1 - place for place in share] == share[::-1]


def test_collectives_of_a_single_process_return_the_local_value() -> None:
    message = StepMessage(problem="the disk is full")
    assert SINGLE_PROCESS.sync_step(message, images=3) is message
    assert (
        SINGLE_PROCESS.step_images,
        SINGLE_PROCESS.is_main,
        SINGLE_PROCESS.local_shard([1, 2]),
    ) == (3, True, [1, 2])
    assert (
        SINGLE_PROCESS.gather("x"),
        SINGLE_PROCESS.broadcast("x"),
        SINGLE_PROCESS.gather_events(),
    ) == (["x"], "x", [])
    assert SINGLE_PROCESS.is_due(lambda: True)
    assert SINGLE_PROCESS.broadcast_flag(True)


def test_without_torchrun_there_is_a_single_process() -> None:
    assert find_job({"PATH": "/bin", "RANK": "3"}) == Job()


def test_rank_and_size_come_from_the_environment_of_torchrun() -> None:
    job = find_job(
        {
            "RANK": "5",
            "WORLD_SIZE": "8",
            "LOCAL_RANK": "1",
            "LOCAL_WORLD_SIZE": "4",
            "TORCHELASTIC_RUN_ID": "night",
            "TORCHELASTIC_RESTART_COUNT": "2",
            "TORCHELASTIC_MAX_RESTARTS": "3",
        }
    )
    assert job == Job(5, 8, 1, 4, "night", restart=2, restarts_left=1)
    assert not job.is_main


def test_changes_of_a_job_apply_until_a_checkpoint_includes_them() -> None:
    def resumed(job: str, **changes: object) -> Event:
        place = {"phase": "full", "epoch": 1, "step": 0, "global_step": 9}
        return RunResumed(**place, checkpoint="last.pt", job=job, changes=changes)

    def saved(kind: str) -> Event:
        return CheckpointSaved(path="x", kind=kind, bytes=1, seconds=0.1, global_step=9)

    def left(*events: Event) -> dict[str, object]:
        records = [Record(seq, float(seq), event) for seq, event in enumerate(events, 1)]
        return changes_of_job(records, "mine")

    assert left(resumed("mine", lr=1), saved("best"), resumed("mine", a=2)) == {"lr": 1, "a": 2}
    assert left(resumed("mine", lr=1), saved("last")) == {}
    assert left(resumed("another", lr=1)) == {}


def test_visible_gpus_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2,3")
    assert count_ranks("all", None) == 3
    assert count_ranks("2", "cuda") == 2
    assert count_ranks("7", "cpu") == 7


@pytest.mark.parametrize(
    ("text", "device", "said"),
    [
        ("4", None, "has 3 NVIDIA GPUs"),
        ("0", None, "from 1"),
        ("x", "cpu", "from 1"),
        ("all", "cpu", "no"),
    ],
)
def test_invalid_numbers_of_gpus_are_refused(
    text: str, device: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2,3")
    with pytest.raises(SetupError, match=said):
        count_ranks(text, device)


def test_the_command_line_refuses_missing_gpus(tmp_path: Path) -> None:
    from tests.tui.command import run

    got = run("--demo", "--gpus", "2", cwd=tmp_path, CUDA_VISIBLE_DEVICES="")
    assert got.returncode == 2
    assert "--device cpu" in got.stderr


@pytest.mark.parametrize(
    ("error", "is_explained"),
    [
        (RuntimeError("[/src/third_party/gloo/gloo/transport/tcp/pair.cc:545] Read error"), True),
        (torch.distributed.DistNetworkError("connection reset"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (torch.cuda.OutOfMemoryError("out of memory"), False),
    ],
    ids=["gloo", "nccl", "mistake", "memory"],
)
def test_errors_of_the_connection_in_a_backward_pass_are_explained(
    error: RuntimeError, is_explained: bool
) -> None:
    group = object.__new__(TorchProcessGroup)
    with pytest.raises(RuntimeError) as raised, group.explained_errors():
        raise error
    assert isinstance(raised.value, RankUnreachable) is is_explained
    if is_explained:
        assert str(raised.value).startswith("the other ranks are unreachable: a process")
