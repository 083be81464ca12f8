"""Planned members of a study: the values in which each differs from the study's configuration."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.common.errors import SetupError
from core.common.nested import yaml_text
from core.config.fields import MAX_FOLDS, MAX_SEED
from core.config.load import config_from_tree, with_values
from core.config.schema import Config
from core.run.summary import RunSummary
from core.study.definition import SEEDS, SWEEP, Study
from core.study.sweep.options import GRID, sweep_of
from core.study.sweep.trials import read_trials

MAX_SEEDS = 1000
_MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class Member:
    """One planned run of a study."""

    number: int
    """From 1."""
    label: str
    """Such as `seed 1029` or `fold 0`."""
    values: Mapping[str, Any]
    """Config keys and values on top of the configuration of the study."""


def seeds_options(config: Config, count: int, vary_split: bool) -> dict[str, Any]:
    """Return the options of a study of `count` seeds, from the seed of `config` upwards; raises
    SetupError."""
    if not 2 <= count <= MAX_SEEDS:
        raise SetupError(f"--seeds is {count}; expected 2 to {MAX_SEEDS:,}")
    if config.seed + count - 1 > MAX_SEED:
        raise SetupError(f"the seeds from {config.seed} on are not below 2**63: set a lower --seed")
    if vary_split and config.data.split_seed is not None:
        raise SetupError("data.split_seed fixes the split: omit it with --vary-split")
    return {"count": count, "vary_split": vary_split}


def folds_options(config: Config, count: int) -> dict[str, Any]:
    """Return the options of a study of `count` folds; raises SetupError."""
    if not 2 <= count <= MAX_FOLDS:
        raise SetupError(f"--folds is {count}; expected 2 to {MAX_FOLDS:,}")
    if config.data.folds:
        raise SetupError("--folds sets data.folds and data.fold: omit them")
    with_values(config, {"data.folds": count})  # reports keys that exclude it
    return {"count": count}


def planned_members(study: Study) -> list[Member]:
    """Return the members of a study, in order; raises SetupError.

    Trials of a sweep that were not asked for yet have no values, except those of a grid.
    """
    if study.kind == SWEEP:
        return _trials(study)
    count = study.options.get("count")
    if not isinstance(count, int) or not 1 <= count <= max(MAX_SEEDS, MAX_FOLDS):
        raise SetupError(f"{study.definition}: options.count is missing or invalid")
    if study.kind == SEEDS:
        return _seeds(study, count)
    return [
        Member(fold + 1, f"fold {fold}", {"data.folds": count, "data.fold": fold})
        for fold in range(count)
    ]


def _seeds(study: Study, count: int) -> list[Member]:
    config = base_config(study)
    # With the split of the first seed in all members, unless it varies, too.
    split = (
        {}
        if study.options.get("vary_split")
        else {"data.split_seed": config.data.seed_of_split(config.seed)}
    )
    return [
        Member(number + 1, f"seed {seed}", {"seed": seed, **split})
        for number, seed in enumerate(range(config.seed, config.seed + count))
    ]


def _trials(study: Study) -> list[Member]:
    sweep = sweep_of(study)
    asked = read_trials(study)[: sweep.trials]
    members = [trial_member(trial.number, trial.values) for trial in asked]
    for number in range(len(members) + 1, sweep.trials + 1):
        values = sweep.grid_values(number) if sweep.sampler == GRID else {}
        members.append(trial_member(number, values))
    return members


def trial_member(number: int, values: Mapping[str, Any]) -> Member:
    """Return a trial of a sweep as a member."""
    return Member(number, f"trial {number}", values)


def base_config(study: Study) -> Config:
    """Return the configuration that the members of a study have in common; raises ConfigError."""
    return config_from_tree(study.config)


def member_config(study: Study, member: Member) -> Config:
    """Return the configuration of a member's run; raises ConfigError."""
    own = {"study": study.id, "name": _run_name(study, member)}
    return with_values(base_config(study), {**member.values, **own})


def _run_name(study: Study, member: Member) -> str:
    suffix = f" {member.label}"
    return study.name[: _MAX_NAME - len(suffix)] + suffix


def member_run(study: Study, member: Member, rows: Iterable[RunSummary]) -> RunSummary | None:
    """Return the run of a member out of the runs of a directory: a finished one, else the newest;
    None without any."""
    # Two trials may have equal values, but each has its own name.
    identity = {"name": _run_name(study, member)} if study.kind == SWEEP else member.values
    wanted = {key: yaml_text(value) for key, value in identity.items()}
    fitting = [row for row in study_runs(study.id, rows) if row.config.items() >= wanted.items()]
    return max(fitting, key=lambda row: (row.status == "finished", row.id), default=None)


def study_runs(study_id: str, rows: Iterable[RunSummary]) -> list[RunSummary]:
    """Return the runs of a study out of the runs of a directory, oldest first."""
    return sorted((row for row in rows if row.study == study_id), key=lambda row: row.id)
