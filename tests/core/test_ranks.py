"""What two ranks agree on, in two processes over gloo."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.common.errors import DataError
from core.data.split import plan_data
from core.training.setup import need_pictures
from tests.pictures import make_pictures
from tests.tui.command import REPOSITORY

_SCRIPT = """
import json, sys
import numpy as np
from core.commands import Pause
from core.errors import SetupError
from core.events import DeviceSample, Progress, Warned
from core.feature_exchange import exchange
from core.feature_store import FeatureStore
from core.job import find_job
from core.ranks import join
from core.team import LostContact, Word

job = find_job()
team = join(job, "cpu")
other = not team.leads
found = {"mine": team.mine(list(range(5)))}

word = team.meet(Word(), pictures=3 + 4 * other, is_due=lambda: True)
found["quiet"] = [word == Word(), team.pictures, team.is_due(lambda: other)]
asked = Pause(id="c7", asked=1.0)
word = team.meet(Word(command=asked if team.leads else Pause(id="own", asked=2.0)))
found["command"] = [word.command.id, team.is_due(lambda: True)]
found["problem"] = team.meet(Word(problem="full" if team.leads else "mine")).problem
found["failure"] = team.meet(Word(failure="no memory" if other else "")).failure
found["decided"] = [team.decide(not other), team.decide(other)]
found["shared"] = team.share({"rank": team.rank})
found["gathered"] = team.gather(team.rank)

for wrong in (0, 1):
    try:
        with team.together():
            if team.rank == wrong:
                raise SetupError("no weights")
    except SetupError as error:
        found[f"wrong {wrong}"] = str(error)

team.outbox.emit(DeviceSample(device="old"))
team.outbox.emit(DeviceSample(device=f"cpu of {team.rank}"))
team.outbox.emit(Warned(code="unreadable-file", message="gone"))
team.outbox.emit(Warned(code="nonfinite-loss", message="rank 0 says so itself"))
found["news"] = [type(event).__name__ for event in team.news()]

store = FeatureStore(None, count=6, width=2)
rows = np.arange(12, dtype=np.float32).reshape(6, 2)
own = [0, 1] if team.leads else [1, 2, 4]
store.write(own, rows[own])
exchange(store, team)
found["known"] = store.known.tolist()
found["rows"] = bool((store.rows[store.known] == rows[store.known]).all())
print(json.dumps(found), flush=True)

if sys.argv[1] == "hang" and other:
    sys.stdin.read()  # a rank that is there and says nothing any more
try:
    team.meet(Word())
    team.close()
except LostContact as error:
    print(json.dumps(str(error)))
"""


def two_ranks(how: str, **changes: str) -> list["subprocess.Popen[str]"]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {
        **os.environ,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "TORCHELASTIC_RUN_ID": "test",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(REPOSITORY),
        **changes,
    }
    return [
        subprocess.Popen(
            [sys.executable, "-c", _SCRIPT, how],
            env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]


def read(process: "subprocess.Popen[str]") -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


@pytest.fixture(scope="module")
def found() -> list[dict[str, Any]]:
    processes = two_ranks("")
    results = [read(process) for process in processes]
    assert [process.wait(60) for process in processes] == [0, 0]
    return results


def test_rank_0_is_heard_by_all(found: list[dict[str, Any]]) -> None:
    for each in found:
        assert each["quiet"] == [True, 10, True]
        assert each["command"] == ["c7", False]
        assert each["problem"] == "full"
        assert each["decided"] == [True, False]
        assert each["shared"] == {"rank": 0}
        assert each["gathered"] == [0, 1]
    assert sorted(found[0]["mine"] + found[1]["mine"]) == list(range(5))


def test_a_failure_of_one_is_one_of_all(found: list[dict[str, Any]]) -> None:
    for each in found:
        assert each["failure"] == f"rank 1 on {socket.gethostname()}: no memory"
    assert [each["wrong 0"] for each in found] == ["no weights", "no weights"]
    assert [each["wrong 1"] for each in found] == ["rank 1: no weights", "no weights"]


def test_what_only_another_rank_knows_is_told_by_rank_0(found: list[dict[str, Any]]) -> None:
    assert found[0]["news"] == ["DeviceSample", "Warned"] * 2
    assert found[1]["news"] == []


def test_features_of_one_are_had_by_all(found: list[dict[str, Any]]) -> None:
    for each in found:
        assert each["known"] == [True, True, True, False, True, False]
        assert each["rows"]


def test_a_rank_that_says_nothing_any_more_is_not_waited_for_forever() -> None:
    processes = two_ranks("hang", CONVNEXT_TUI_TIMEOUT="4")
    for process in processes:
        read(process)
    assert "the network hangs" in read(processes[0])
    for process in processes:
        process.kill()
        process.communicate()


def test_a_machine_without_the_pictures_says_so(tmp_path: Path) -> None:
    root = make_pictures(tmp_path / "photos", classes=2, per_class=4)
    plan = plan_data(root, 0.25, seed=1)
    assert plan is not None
    need_pictures(plan)
    root.rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="under the same path"):
        need_pictures(plan)
