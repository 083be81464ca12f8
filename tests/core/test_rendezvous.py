"""The rendezvous of ranks: a rank that is missing does not keep a stopped rank 0 waiting."""

import signal
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import torch.distributed as dist

from core.distributed import rendezvous, torch_process_group
from core.distributed.process_group import JoinCanceled
from core.distributed.rendezvous import meet
from core.distributed.torchrun_env import Job
from core.session.worker_rank import run_worker_rank

LIMIT = timedelta(seconds=30)


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An agent's store that outlives the ranks."""
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # type: ignore[attr-defined]
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(store.port))
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    monkeypatch.setattr(rendezvous, "_POLL_SECONDS", 0.01)
    yield
    del store


def job(rank: int, restart: int = 0) -> Job:
    return Job(rank=rank, size=2, local_rank=rank, local_size=2, restart=restart)


def arrive(rank: int, stopped: Callable[[], bool] = lambda: False, restart: int = 0) -> str:
    calls: list[str] = []
    try:
        meet(job(rank, restart), LIMIT, stopped, lambda: calls.append("arrived"))
    except JoinCanceled:
        calls.append("canceled")
    return " ".join(calls)


@pytest.mark.usefixtures("agent")
def test_a_stopped_rank_0_does_not_wait_for_a_missing_rank(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rendezvous, "_GRACE_SECONDS", 0.05)
    assert arrive(0, lambda: True) == "arrived canceled"
    assert arrive(1) == "arrived canceled"  # it comes too late, and does not wait either


@pytest.mark.usefixtures("agent")
@pytest.mark.parametrize("stopped", [False, True])
def test_all_ranks_meet_even_if_rank_0_is_stopped_meanwhile(stopped: bool) -> None:
    for restart in (0, 1):  # after a restart those that had arrived before don't count
        found: dict[int, str] = {}

        def rank_1(restart: int = restart, found: dict[int, str] = found) -> None:
            found[1] = arrive(1, restart=restart)

        other = threading.Thread(target=rank_1)
        other.start()
        found[0] = arrive(0, lambda: stopped, restart)
        other.join()
        assert found == {0: "arrived", 1: "arrived"}


def test_a_rank_is_ended_by_a_signal_until_rank_0_counts_on_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM)
    seen = []

    def join(job: Job, device: str, on_arrival: Callable[[], None]) -> None:
        seen.extend(signal.getsignal(number) for number in numbers)
        on_arrival()
        seen.extend(signal.getsignal(number) for number in numbers)
        raise JoinCanceled

    monkeypatch.setattr(torch_process_group, "join", join)
    saved = {number: signal.getsignal(number) for number in (*numbers, signal.SIGHUP)}
    try:
        assert run_worker_rank(job(1), "cpu") == 0
    finally:
        for number, handler in saved.items():
            signal.signal(number, handler)
    assert seen == [signal.SIG_DFL] * 2 + [signal.SIG_IGN] * 2
