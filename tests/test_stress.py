"""What the stress test of endings expects, and how it judges."""

from dataclasses import replace

import pytest

from tests.stress.endings.judge import Facts, judge, needs_resumption
from tests.stress.endings.ways import (
    APP,
    HEADLESS,
    LIFE,
    RANKS,
    SIGNALS,
    WAYS,
    Expected,
    expected_after,
    plan,
)

FAILED = Expected(frozenset({1}), frozenset({"failed"}), "it .+", traceback=True)
GOOD = Facts(
    code=1,
    seconds=1.0,
    outcome="failed",
    errors="error: it broke\nsee /runs/1/log.txt\n",
    log="Traceback (most recent call last):",
)


def test_a_good_end_has_no_problem() -> None:
    assert judge(FAILED, GOOD) == []


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        (replace(GOOD, code=None, left=["its stacks"]), "the process did not end"),
        (replace(GOOD, code=0), "exit code 0, not 1"),
        (replace(GOOD, seconds=10.5), "it took 10.5 s to end"),
        (replace(GOOD, outcome=""), "the run has no end, not failed"),
        (replace(GOOD, errors=""), "the error is missing"),
        (replace(GOOD, errors=GOOD.errors * 2), "2 errors"),
        (replace(GOOD, errors=f"{GOOD.errors}Traceback"), "unexpected output: Traceback"),
        (replace(GOOD, log=""), "log.txt has no traceback"),
        (replace(GOOD, left=["process 7 is left"]), "process 7 is left"),
        (replace(GOOD, damage=["show ended with 1"]), "show ended with 1"),
    ],
)
def test_each_kind_of_problem_is_found(facts: Facts, problem: str) -> None:
    assert judge(FAILED, facts)[0].startswith(problem)


def test_times_are_stretched_for_a_slow_machine() -> None:
    assert judge(FAILED, replace(GOOD, seconds=19.0), slack=2.0) == []


def test_a_restart_is_not_an_error() -> None:
    notice = "warning: it broke; restarting all ranks\nsee /runs/1/log.txt\n"
    assert judge(Expected(), Facts(code=0, outcome="finished", errors=notice)) == []


def test_a_run_that_has_not_finished_is_resumed() -> None:
    assert needs_resumption(GOOD)
    assert not needs_resumption(replace(GOOD, outcome="finished"))
    assert not needs_resumption(replace(GOOD, has_folder=False))


def test_the_plan_takes_all_ways_by_turns_with_all_signals() -> None:
    kinds = {(way.name, shown) for way in WAYS for shown in way.shown}
    cases = plan(5 * len(kinds), seed=0)
    assert {(case.way.name, case.shown) for case in cases[: len(kinds)]} == kinds
    for moment in LIFE:
        assert {c.signal for c in cases if c.way.name == f"signal-{moment}"} == set(SIGNALS)
    assert {c.signal for c in cases if c.way.name == "worker-killed"} == {"", *SIGNALS}
    assert plan(20, seed=3) == plan(20, seed=3)
    assert {case.way.name for case in plan(9, seed=0, only=["disk-full"])} == {"disk-full"}


def test_what_is_right_after_a_signal() -> None:
    way = {way.name: way for way in WAYS}
    stopped = expected_after(way["signal-validation"], HEADLESS, "SIGTERM")
    assert (stopped.codes, stopped.outcomes) == ({143}, {"stopped"})
    assert expected_after(way["signal-validation"], APP, "SIGHUP").outcomes == {"finished"}
    both = expected_after(way["worker-killed"], RANKS, "SIGINT")
    assert (both.codes, both.outcomes) == ({1, 130}, {"failed", "stopped", ""})
    assert both.may_be_silent
    lost = expected_after(way["disk-full"], HEADLESS, "SIGINT")
    assert (lost.codes, lost.outcomes) == ({0, 1, 130}, {"finished", "failed", "stopped"})
