"""Collectives of two ranks, in two processes over gloo."""

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from core.common.errors import DataError
from core.data.assign import SplitOptions
from core.data.split import plan_data
from core.training.setup import require_images
from tests.make_images import make_images
from tests.tools.processes import REPOSITORY, Process
from tests.tui.command import environment


def two_ranks(how: str, **changes: str) -> list[Process]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "TORCHELASTIC_RUN_ID": "test",
        **changes,
    }
    silence, _ = os.pipe()
    return [
        Process(
            ["-m", "tests.core.rank_process", how],
            cwd=REPOSITORY,
            env=environment(**common, RANK=str(rank), LOCAL_RANK=str(rank)),
            stdin=silence,
        )
        for rank in range(2)
    ]


def read(process: Process) -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


@pytest.fixture(scope="module")
def found() -> list[dict[str, Any]]:
    processes = two_ranks("")
    results = [read(process) for process in processes]
    assert [process.wait(60) for process in processes] == [0, 0]
    for process in processes:
        process.close()
    return results


def test_messages_of_rank_0_reach_all_ranks(found: list[dict[str, Any]]) -> None:
    for each in found:
        assert each["quiet"] == [True, 10, True]
        assert each["command"] == ["c7", False]
        assert each["problem"] == "full"
        assert each["decided"] == [True, False]
        assert each["shared"] == {"rank": 0}
        assert each["gathered"] == [0, 1]
    assert sorted(found[0]["mine"] + found[1]["mine"]) == list(range(5))


def test_a_failure_of_one_rank_is_raised_on_all(found: list[dict[str, Any]]) -> None:
    for each in found:
        assert each["failure"] == f"rank 1 on {socket.gethostname()}: no memory"
    assert [each["wrong 0"] for each in found] == ["no weights", "no weights"]
    assert [each["wrong 1"] for each in found] == ["rank 1: no weights", "no weights"]


def test_rank_0_gathers_the_events_of_other_ranks(found: list[dict[str, Any]]) -> None:
    assert found[0]["news"] == ["DeviceSample", "Warned"] * 2
    assert found[1]["news"] == []


def test_features_are_exchanged_between_ranks(found: list[dict[str, Any]]) -> None:
    for each in found:
        assert each["known"] == [True, True, True, False, True, False]
        assert each["rows"]


def test_a_rank_that_hangs_is_reported_after_a_timeout() -> None:
    processes = two_ranks("hang", CONVNEXT_TUI_TIMEOUT="2")
    for process in processes:
        read(process)
    assert "the network hangs" in read(processes[0])
    for process in processes:
        process.close()


def test_missing_images_on_a_machine_are_an_error(tmp_path: Path) -> None:
    root = make_images(tmp_path / "photos", classes=2, per_class=4)
    plan = plan_data(root, SplitOptions(0.25, seed=1))
    assert plan is not None
    require_images(plan)
    root.rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="under the same path"):
        require_images(plan)
