"""One of the ranks of test_ranks.py: prints what it finds as JSON.

    python -m tests.core.rank_process [hang]

With `hang`, rank 1 stops answering.
"""

import json
import sys

import numpy as np

from core.common.errors import SetupError
from core.distributed.group import LostContact, Word
from core.distributed.torch_group import join
from core.distributed.torchrun_env import find_job
from core.events.commands import Pause
from core.events.types import DeviceSample, Warned
from core.training.features.exchange import exchange
from core.training.features.store import FeatureStore


def main(how: str) -> None:
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
        sys.stdin.read()  # a rank that is alive and does not answer
    try:
        team.meet(Word())
        team.close()
    except LostContact as error:
        print(json.dumps(str(error)))


if __name__ == "__main__":
    main(sys.argv[1])
