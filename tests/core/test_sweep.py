"""Sweeps: trials are sampled, pruned, claimed by one worker each, and survive kills."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.config.schema import Config
from core.session.fit import fit
from core.study import worker
from core.study.definition import Study, load_study
from core.study.locks import is_worked_on
from core.study.state import StudyState
from core.study.sweep import source
from core.study.sweep.results import (
    best_so_far,
    key_importances,
    study_objective,
    swept_keys,
)
from tests.core.engine_kit import small_config
from tests.core.study_kit import LR, Doing, Watcher, optuna_states, resume, run_sweep

GRID: dict[str, object] = {
    "phases.head.lr": [1e-4, 0.02],
    "phases.head.label_smoothing": "0..0.1:0.1",
}


@pytest.fixture(scope="module")
def config(photos: Path) -> Config:
    return small_config(photos, "phases.head.epochs=1", "phases.full.epochs=0", "name=few")


@pytest.fixture(scope="module")
def grid(config: Config, tmp_path_factory: pytest.TempPathFactory) -> StudyState:
    """A finished grid of two learning rates and two label smoothings, only read."""
    return run_sweep(tmp_path_factory.mktemp("runs"), config, GRID, sampler="grid").state


@pytest.fixture(scope="module")
def sampled(config: Config, tmp_path_factory: pytest.TempPathFactory) -> StudyState:
    """A finished sweep of three trials by TPE, only read."""
    return run_sweep(tmp_path_factory.mktemp("runs"), config, LR, trials=3).state


def values(state: StudyState, key: str = "phases.head.lr") -> list[Any]:
    return [member.member.values[key] for member in state.members]


def test_a_grid_has_each_combination_once(grid: StudyState) -> None:
    pairs = [tuple(member.member.values.values()) for member in grid.members]
    assert pairs == [(lr, smoothing) for lr in (1e-4, 0.02) for smoothing in (0.0, 0.1)]
    assert grid.status == "finished"
    assert [member.status for member in grid.members] == ["finished"] * 4
    assert [member.member.label for member in grid.members] == [f"trial {n}" for n in range(1, 5)]
    assert optuna_states(grid.study) == {n: ["COMPLETE"] for n in range(1, 5)}


def test_a_grid_finds_the_best_of_runs_made_by_hand(
    config: Config, grid: StudyState, tmp_path: Path
) -> None:
    by_hand = []
    for member in grid.members:
        run = fit(config, values=member.member.values, runs_dir=tmp_path)
        by_hand.append(run.summary.best_val_top1)
    assert [member.objective for member in grid.members] == by_hand
    assert grid.best is not None
    assert grid.best.objective == max(by_hand)  # type: ignore[type-var]


def test_a_sampled_sweep_stays_in_its_range(sampled: StudyState) -> None:
    assert [member.status for member in sampled.members] == ["finished"] * 3
    assert len(set(values(sampled))) == 3
    assert all(1e-4 <= lr <= 1e-1 for lr in values(sampled))
    for member in sampled.members:
        assert member.run is not None
        assert member.run.config["phases.head.lr"] == str(member.member.values["phases.head.lr"])
        assert member.run.config["name"] == f"few {member.member.label}"


class Killed(BaseException):
    """Ends a worker as a kill does: its locks are released, and nothing else happens."""


def killing(*arguments: Any, **options: Any) -> Any:
    raise Killed


def interrupted_sweep(runs_dir: Path, config: Config, number: int = 2) -> Study:
    """A sweep of three trials whose worker dies after `number - 1` of them."""
    with pytest.raises(Killed):
        run_sweep(runs_dir, config, LR, trials=3)
    (path,) = runs_dir.glob("*-study-*")
    return load_study(path)


@pytest.mark.parametrize("place", ["the trial is recorded", "it has a run", "its result is told"])
def test_a_kill_loses_no_trial_and_repeats_none(
    place: str,
    config: Config,
    sampled: StudyState,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The worker is killed in trial 2, each time before..."""
    calls: list[int] = []

    def second(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            calls.append(1)
            return (killing if len(calls) == 2 else original)(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        owner, name = {
            "the trial is recorded": (source, "append_trial"),
            "it has a run": (worker, "EngineThread"),
            "its result is told": (source.Trials, "member_ended"),
        }[place]
        patch.setattr(owner, name, second(getattr(owner, name)))
        study = interrupted_sweep(tmp_path, config)
    assert not is_worked_on(study)
    watcher = Watcher()
    end = resume(study, watcher)
    assert [member.status for member in end.state.members] == ["finished"] * 3
    first = 3 if place == "its result is told" else 2
    assert watcher.started == [f"trial {number}" for number in range(first, 4)]
    # As without the kill: each is sampled from the seed of its number.
    assert values(end.state) == values(sampled)
    assert len(list(tmp_path.glob("*-trial-*"))) == 3
    lost = {"the trial is recorded": ["FAIL"], "it has a run": ["FAIL"]}.get(place, [])
    expected = {1: ["COMPLETE"], 2: [*lost, "COMPLETE"], 3: ["COMPLETE"]}
    assert optuna_states(study) == expected


def test_files_that_end_within_a_line_are_continued(
    config: Config, sampled: StudyState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(worker, "EngineThread", killing)
        study = interrupted_sweep(tmp_path, config)
    for path in (study.trials, study.sampler):
        with path.open("a") as file:
            file.write('{"trial": 2, "val')
    end = resume(study)
    assert [member.status for member in end.state.members] == ["finished"] * 3
    assert values(end.state) == values(sampled)
    assert [json.loads(line)["trial"] for line in study.trials.read_text().splitlines()] == [
        1,
        2,
        3,
    ]


@pytest.mark.parametrize("content", [None, "not json\n{}\n"])
def test_a_lost_file_of_the_sampler_is_made_again(
    content: str | None, config: Config, sampled: StudyState, tmp_path: Path
) -> None:
    stopping = Doing("trial 3", lambda doing: doing.worker and doing.worker.stop("asked to stop"))
    study = run_sweep(tmp_path, config, LR, stopping, trials=3).state.study
    study.sampler.unlink()
    if content is not None:
        study.sampler.write_text(content)
    end = resume(study)
    assert end.state.status == "finished"
    assert values(end.state) == values(sampled)
    assert optuna_states(study) == {n: ["COMPLETE"] for n in (1, 2, 3)}


def test_results_of_a_sweep(sampled: StudyState, grid: StudyState) -> None:
    study = grid.study
    objective = study_objective(study)
    assert (objective.figure, objective.label, objective.maximize) == (
        "val_top1",
        "best val top-1",
        True,
    )
    results = [member.objective for member in grid.members]
    best = best_so_far(grid)
    assert [number for number, _ in best] == [1, 2, 3, 4]
    assert [value for _, value in best] == [
        max(results[: n + 1])
        for n in range(4)  # type: ignore[type-var]
    ]
    keys = swept_keys(study)
    assert [(key.is_log, key.is_categorical) for key in keys.values()] == [
        (False, True),
        (False, False),
    ]
    assert swept_keys(sampled.study)["phases.head.lr"].is_log
    found = key_importances(study)
    assert set(found) == set(keys)
    assert sum(found.values()) == pytest.approx(1)
    assert next(iter(found)) == "phases.head.lr"
