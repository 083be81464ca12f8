"""One of the ranks of test_ranks.py: prints its results as JSON.

    python -m tests.core.rank_process [hang]

With `hang`, rank 1 stops responding.
"""

import json
import sys

import numpy as np

from core.common.errors import SetupError
from core.distributed.process_group import RankUnreachable, StepMessage
from core.distributed.torch_process_group import join
from core.distributed.torchrun_env import find_job
from core.events.commands import Pause
from core.events.types import DeviceSample, Warned
from core.training.features.store import FeatureStore, exchange_features


def main(how: str) -> None:
    job = find_job()
    group = join(job, "cpu")
    other = not group.is_main
    found = {"mine": group.local_shard(list(range(5)))}

    message = group.sync_step(StepMessage(), images=3 + 4 * other, is_due=lambda: True)
    found["quiet"] = [message == StepMessage(), group.step_images, group.is_due(lambda: other)]
    asked = Pause(id="c7", asked=1.0)
    message = group.sync_step(
        StepMessage(command=asked if group.is_main else Pause(id="own", asked=2.0))
    )
    found["command"] = [message.command.id, group.is_due(lambda: True)]
    found["problem"] = group.sync_step(
        StepMessage(problem="full" if group.is_main else "mine")
    ).problem
    found["failure"] = group.sync_step(StepMessage(failure="no memory" if other else "")).failure
    found["decided"] = [group.broadcast_flag(not other), group.broadcast_flag(other)]
    found["shared"] = group.broadcast({"rank": group.rank})
    found["gathered"] = group.gather(group.rank)

    for wrong in (0, 1):
        try:
            with group.shared_errors():
                if group.rank == wrong:
                    raise SetupError("no weights")
        except SetupError as error:
            found[f"wrong {wrong}"] = str(error)

    group.outbox.emit(DeviceSample(device="old"))
    group.outbox.emit(DeviceSample(device=f"cpu of {group.rank}"))
    group.outbox.emit(Warned(code="unreadable-file", message="gone"))
    group.outbox.emit(Warned(code="nonfinite-loss", message="rank 0 says so itself"))
    found["news"] = [type(event).__name__ for event in group.gather_events()]

    store = FeatureStore(None, count=6, width=2)
    rows = np.arange(12, dtype=np.float32).reshape(6, 2)
    own = [0, 1] if group.is_main else [1, 2, 4]
    store.write(own, rows[own])
    exchange_features(store, group)
    found["known"] = store.known.tolist()
    found["rows"] = bool((store.rows[store.known] == rows[store.known]).all())
    print(json.dumps(found), flush=True)

    if sys.argv[1] == "hang" and other:
        sys.stdin.read()  # a rank that is alive and does not respond
    try:
        group.sync_step(StepMessage())
        group.close()
    except RankUnreachable as error:
        print(json.dumps(str(error)))


if __name__ == "__main__":
    main(sys.argv[1])
