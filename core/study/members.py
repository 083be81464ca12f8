"""Planned members of a study: the values in which each differs from the study's configuration."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.common.errors import SetupError
from core.common.nested import yaml_text
from core.config.load import config_from_tree, with_values
from core.config.schema import MAX_FOLDS, MAX_SEED, Config
from core.run.summary import RunSummary
from core.study.definition import FOLDS, SEEDS, Study

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
    """Return the members of a study of seeds or folds, in order; raises SetupError."""
    count = study.options.get("count")
    if not isinstance(count, int) or not 1 <= count <= max(MAX_SEEDS, MAX_FOLDS):
        raise SetupError(f"{study.definition}: options.count is missing or invalid")
    if study.kind == SEEDS:
        return _seeds(study, count)
    if study.kind == FOLDS:
        return [
            Member(fold + 1, f"fold {fold}", {"data.folds": count, "data.fold": fold})
            for fold in range(count)
        ]
    raise SetupError(f"the members of a study of kind {study.kind} are not known in advance")


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


def base_config(study: Study) -> Config:
    """Return the configuration that the members of a study have in common; raises ConfigError."""
    return config_from_tree(study.config)


def member_config(study: Study, member: Member) -> Config:
    """Return the configuration of a member's run; raises ConfigError."""
    suffix = f" {member.label}"
    name = study.name[: _MAX_NAME - len(suffix)] + suffix
    return with_values(base_config(study), {**member.values, "study": study.id, "name": name})


def member_run(study: Study, member: Member, rows: Iterable[RunSummary]) -> RunSummary | None:
    """Return the run of a member out of the runs of a directory: a finished one, else the newest;
    None without any."""
    wanted = {key: yaml_text(value) for key, value in member.values.items()}
    fitting = [row for row in study_runs(study.id, rows) if row.config.items() >= wanted.items()]
    return max(fitting, key=lambda row: (row.status == "finished", row.id), default=None)


def study_runs(study_id: str, rows: Iterable[RunSummary]) -> list[RunSummary]:
    """Return the runs of a study out of the runs of a directory, oldest first."""
    return sorted((row for row in rows if row.study == study_id), key=lambda row: row.id)
