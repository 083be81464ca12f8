"""Sweeps: trials are sampled, pruned, claimed by one worker each, and survive kills."""

from pathlib import Path
from typing import Any

import pytest

from core.config.schema import Config
from core.session.fit import fit
from core.study.definition import Study
from core.study.state import StudyState, read_state
from tests.core.engine_kit import small_config
from tests.core.study_kit import run_sweep

LR = {"phases.head.lr": "1e-4..1e-1:log"}
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


def statuses(study: Study) -> list[str]:
    return [member.status for member in read_state(study).members]


def values(state: StudyState, key: str = "phases.head.lr") -> list[Any]:
    return [member.member.values[key] for member in state.members]


def optuna_states(study: Study) -> dict[int, list[str]]:
    """States of the sampler's trials by number of the trial."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    storage = optuna.storages.JournalStorage(JournalFileBackend(str(study.sampler)))
    found: dict[int, list[str]] = {}
    for trial in optuna.load_study(study_name="sweep", storage=storage).get_trials():
        found.setdefault(trial.user_attrs["trial"], []).append(trial.state.name)
    return found


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
