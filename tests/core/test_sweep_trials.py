"""Trials of sweeps: stopped, failed, pruned, claimed by one worker each, with shared caches."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas
import pytest

from core.common.errors import SetupError
from core.config.load import with_values
from core.config.schema import Config
from core.data import split
from core.events.command_file import append_command
from core.events.commands import Stop
from core.model.normalize import NormalizedModel
from core.study import study as run_as_function
from core.study.definition import SWEEP, create_study
from core.study.locks import WorkerLock, is_worked_on
from core.study.members import trial_member
from core.study.state import MemberState, StudyState, read_state
from core.study.sweep import sampler, source
from core.study.sweep.options import sweep_of, sweep_options
from core.study.sweep.results import (
    best_so_far,
    key_importances,
)
from core.study.worker import StudyNotStarted
from tests.core.engine_kit import small_config
from tests.core.study_kit import (
    LR,
    Doing,
    Watcher,
    optuna_states,
    resume,
    run_study,
    run_sweep,
)


@pytest.fixture(scope="module")
def config(photos: Path) -> Config:
    return small_config(photos, "phases.head.epochs=1", "phases.full.epochs=0", "name=few")


def test_a_stopped_trial_is_resumed(config: Config, tmp_path: Path) -> None:
    longer = with_values(config, {"phases.head.epochs": 3})
    stopping = Doing("trial 2", lambda doing: doing.worker and doing.worker.stop("asked to stop"))
    end = run_sweep(tmp_path, longer, LR, stopping, trials=3)
    assert [member.status for member in end.state.members] == ["finished", "stopped", "waiting"]
    assert end.state.members[2].member.values == {}
    watcher = Watcher()
    end = resume(end.state.study, watcher)
    assert watcher.started == ["resumed trial 2", "trial 3"]
    assert end.state.status == "finished"
    assert optuna_states(end.state.study)[2] == ["FAIL", "COMPLETE"]


def test_a_trial_that_is_stopped_alone_is_not_resumed_at_once(
    config: Config, tmp_path: Path
) -> None:
    longer = with_values(config, {"phases.head.epochs": 1000})

    def stop(doing: Doing) -> None:
        (path,) = tmp_path.glob("*-trial-1")
        append_command(path / "commands.jsonl", Stop())

    watcher = Doing("trial 1", stop)
    keys: dict[str, object] = {"phases.head.epochs": [1000, 1]}
    end = run_sweep(tmp_path, longer, keys, watcher, sampler="grid")
    assert watcher.started == ["trial 1", "trial 2"]
    assert [member.status for member in end.state.members] == ["stopped", "finished"]


def test_a_failed_trial_is_told_and_not_repeated(config: Config, tmp_path: Path) -> None:
    failing = with_values(config, {"nonfinite": "stop", "clip_grad_norm": None})
    ranges: dict[str, object] = {"phases.head.lr": [1e-3, 1e30, 1e-2]}
    end = run_sweep(tmp_path, failing, ranges, sampler="grid")
    assert [member.status for member in end.state.members] == ["finished", "failed", "finished"]
    assert "not finite" in end.failed[0].reason
    assert optuna_states(end.state.study)[2] == ["FAIL"]
    watcher = Watcher()
    assert resume(end.state.study, watcher).state.status == "failed"
    assert watcher.started == []


def test_nothing_is_left_of_a_sweep_that_cannot_start(config: Config, tmp_path: Path) -> None:
    ranges: dict[str, object] = {"model.name": ["convnext_none", "convnext_atto"]}
    with pytest.raises(SetupError, match="is not a timm model"):
        run_sweep(tmp_path / "runs", config, ranges, sampler="grid")
    assert not (tmp_path / "runs").exists()


def test_a_pruned_trial_ends_after_the_epoch(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = sampler.Asked.report

    def decide(asked: sampler.Asked, epoch: int, value: float) -> bool:
        report(asked, epoch, value)
        return (asked.number, epoch) == (2, 2)

    monkeypatch.setattr(sampler.Asked, "report", decide)
    longer = with_values(config, {"phases.head.epochs": 4})
    end = run_sweep(tmp_path, longer, LR, trials=3, pruner="median")
    assert [member.status for member in end.state.members] == ["finished", "pruned", "finished"]
    assert end.state.status == "finished"
    run = end.state.members[1].run
    assert run is not None
    assert run.epochs["head"] == 2
    assert run.reason.startswith("pruned after epoch 2 of phase head: val top-1 ")
    assert optuna_states(end.state.study)[2] == ["PRUNED"]
    assert resume(end.state.study).state.status == "finished"
    # Its values so far are not a result.
    assert [number for number, _ in best_so_far(end.state)] == [1, 3]


@pytest.mark.parametrize("pruner", ["median", "halving"])
@pytest.mark.parametrize("objective", ["val_top1", "val_loss"])
def test_the_pruner_stops_a_trial_that_is_worse_than_most(
    pruner: str, objective: str, config: Config, tmp_path: Path
) -> None:
    options = sweep_options(
        config, LR, trials=8, sampler="random", pruner=pruner, objective=objective
    )
    study = create_study(tmp_path, SWEEP, config, options)
    good, bad = (0.9, 0.1) if objective == "val_top1" else (0.1, 0.9)
    asking = sampler.Sampler(study, sweep_of(study), 0)
    ended = []
    for number in range(1, 7):
        asked = asking.ask(number, {})
        asked.report(1, good)
        ended.append(
            MemberState(trial_member(number, asked.values), None, "finished", objective=good)
        )
        asking.sync(ended, ())
    assert not asking.ask(7, {}).report(1, good)
    assert asking.ask(8, {}).report(1, bad)


def test_two_workers_claim_different_trials(config: Config, tmp_path: Path) -> None:
    study = create_study(tmp_path, SWEEP, config, sweep_options(config, LR, trials=3))
    locks = [WorkerLock(study) for _ in range(2)]
    sources = [source.Trials(study, lambda: read_state(study), lock) for lock in locks]
    claimed = [each.next_member() for each in sources]
    assert [one.member.number for one in claimed if one] == [1, 2]
    assert is_worked_on(study)
    # A process that is killed gives up its claim, and another one takes it.
    locks[0].release()
    taken = sources[1].next_member()
    assert taken is not None and claimed[0] is not None
    assert (taken.member.number, taken.member.values) == (1, claimed[0].member.values)
    locks[1].release()
    assert not is_worked_on(study)


def test_a_stopped_trial_is_resumed_by_one_of_two_workers(config: Config, tmp_path: Path) -> None:
    study = create_study(tmp_path, SWEEP, config, sweep_options(config, LR, trials=2))
    statuses = {1: "waiting"}

    def read() -> StudyState:
        state = read_state(study)
        members = (
            replace(one, status=statuses.get(one.member.number, one.status))
            for one in state.members
        )
        return replace(state, members=tuple(members))

    first, other = (source.Trials(study, read, WorkerLock(study)) for _ in range(2))
    for each in (first, other):
        each.next_member()  # trials 1 and 2
    statuses.update({1: "stopped", 2: "stopped"})
    later = [source.Trials(study, read, WorkerLock(study)) for _ in range(2)]
    for each in (first, other):
        each.member_ended()
        assert each.next_member() is None  # stopped while these workers run
    taken = [each.next_member() for each in later]
    assert [one.member.number for one in taken if one] == [1, 2]
    statuses.update({1: "finished", 2: "running"})
    for each in later:
        each.member_ended()
        assert each.next_member() is None


@pytest.mark.parametrize("line", ["{}", "not json", '{"trial": 7, "values": {}}', "[]"])
def test_a_damaged_file_of_trials_is_named(line: str, config: Config, tmp_path: Path) -> None:
    study = create_study(tmp_path, SWEEP, config, sweep_options(config, LR, trials=2))
    study.trials.write_text(f"{line}\n")
    with pytest.raises(SetupError, match=r"trials\.jsonl: line 1 is damaged"):
        resume(study)
    assert not is_worked_on(study)


def test_a_sweep_of_head_keys_computes_features_once(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[int] = []
    forward = NormalizedModel.forward

    def count(net: NormalizedModel, images: Any) -> Any:
        shown.append(len(images))
        return forward(net, images)

    monkeypatch.setattr(NormalizedModel, "forward", count)
    scans: list[int] = []
    scan = split.scan_images
    monkeypatch.setattr(split, "scan_images", lambda *a: scans.append(1) or scan(*a))
    # Another seed: no features of another test.
    seeded = with_values(config, {"seed": 77, "phases.head.views": 1})
    number: dict[str, int] = {}

    class Counting(Watcher):
        def member_ended(self, member: MemberState) -> None:
            number[member.member.label] = sum(shown)

    run_sweep(tmp_path, seeded, LR, Counting(), trials=3)
    images = 36
    assert number["trial 1"] >= images
    # Only the test for determinism passes through the backbone again.
    assert number["trial 3"] - number["trial 1"] < images
    assert len(scans) == 1


def test_importance_needs_two_results(config: Config, tmp_path: Path) -> None:
    study = create_study(tmp_path, SWEEP, config, sweep_options(config, LR, trials=3))
    one = MemberState(trial_member(1, {"phases.head.lr": 0.01}), None, "finished", objective=0.5)
    other = replace(one, member=trial_member(2, {"phases.head.lr": 0.02}))
    outside = replace(other, member=trial_member(2, {"phases.head.lr": 5.0}), objective=0.7)
    for members in ((), (one,), (one, other), (one, outside)):
        assert key_importances(study, StudyState(study, members, False)) == {}


def test_a_sweep_as_a_function_returns_a_table(photos: Path, tmp_path: Path) -> None:
    config = small_config(photos, "phases.head.epochs=1", "phases.full.epochs=0")
    table = run_as_function(
        config,
        runs_dir=tmp_path,
        sweep={"phases.head.lr": [0.01, 0.02]},
        sampler="grid",
        objective="val_loss",
    )
    assert list(table["phases.head.lr"]) == [0.01, 0.02]
    assert list(table["status"]) == ["finished"] * 2
    for folder, value in zip(table["folder"], table["objective"], strict=True):
        history = pandas.read_csv(Path(folder) / "history.csv")
        assert value == history["val_loss"].min()
    with pytest.raises(SetupError, match="either seeds, folds or sweep"):
        run_as_function(config, runs_dir=tmp_path, seeds=2, sweep=LR)


def test_without_optuna_nothing_is_created(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(photos)
    options = sweep_options(config, LR, trials=2)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(SetupError, match=r"pip install 'convnext-tui\[sweep\]'"):
        run_sweep(tmp_path / "runs", config, LR, trials=2)
    with pytest.raises(StudyNotStarted, match=r"pip install 'convnext-tui\[sweep\]'"):
        run_study(tmp_path / "runs", SWEEP, config, options, Watcher())
    assert not (tmp_path / "runs").exists()
