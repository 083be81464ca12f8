"""Groups of runs, such as the seeds or folds of a study, compared by statistics of their results.

Only finished runs count: the best epoch of a run that is interrupted or still running may not be
its best one yet, and a failed run has no result. The others are named as members without a result.
"""

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.analysis.compare import (
    FEWEST,
    LETTERS,
    MOST,
    ComparedRun,
    ComparisonRow,
    assign_colors,
    results,
)
from core.common.errors import SetupError
from core.common.format import counted
from core.common.text import printable, quoted
from core.run.folder import RunFolder
from core.study.statistics import (
    Difference,
    MemberResult,
    Ranking,
    Sample,
    Summary,
    compare,
    compare_with_best,
    summarize,
)

STUDY = "study"
_FOLD, _FOLDS, _SEED, _SPLIT_SEED = "data.fold", "data.folds", "seed", "data.split_seed"
MEMBER_KEYS = (_SEED, _SPLIT_SEED, _FOLD)
"""Config keys in which the members of a study differ by design."""
_NAMES = ("name", STUDY)
_NULL = "null"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class RunGroup:
    """Runs that are compared as one column."""

    letter: str
    name: str
    color: int
    """Index into the palette."""
    runs: tuple[ComparedRun, ...]
    keys: tuple[str, ...]
    """What each run is paired by: its seed or fold."""
    noun: str
    """What the runs differ in: `seed`, `fold`, or `run` for anything else."""
    overlap: float
    """See `Sample.overlap`."""
    repeated: tuple[str, ...] = ()
    """Ids of left out runs, whose config equals that of a run of the group."""

    def sample(self, values: Mapping[str, float | None]) -> Sample:
        """Return the results of the runs, from the values by id; its name is the letter."""
        members = zip(self.keys, self.runs, strict=True)
        return Sample(
            self.letter,
            tuple(
                MemberResult(key, values[run.id])
                if run.status == "finished"
                else MemberResult(key, None, run.status)
                for key, run in members
            ),
            self.noun,
            self.overlap,
        )


@dataclass(frozen=True, slots=True)
class GroupResult:
    """One result of all groups."""

    row: ComparisonRow
    """Key, label, goal and unit of the result; its values are those of all runs."""
    samples: tuple[Sample, ...]
    summaries: tuple[Summary, ...]
    ranking: Ranking

    @property
    def difference(self) -> Difference | None:
        """The first group minus the second one, if there are two."""
        return compare(*self.samples) if len(self.samples) == 2 else None

    @property
    def winner(self) -> int | None:
        """Index of the group that is better than every other one; None if the results show none."""
        return self.ranking.best if self.ranking.best_is_shown else None


@dataclass(frozen=True, slots=True)
class GroupedKey:
    """A config key with the values of each group."""

    key: str
    values: tuple[tuple[str, ...], ...]


def group_runs(
    runs: Sequence[ComparedRun], key: str, splits: Mapping[str, int] | None = None
) -> list[RunGroup]:
    """Return the runs in groups by the value of a config key, in the order of their first run.

    By `study`, a run without one is a group of its own. `splits` are checksums of `split.csv` by
    run id. Raises SetupError for a key that no run has, or for too few or too many groups.
    """
    if not any(key in run.config for run in runs) and key != STUDY:
        raise SetupError(f"--group-by: no run has the config key {quoted(printable(key))}")
    by_value: dict[tuple[str, str], list[ComparedRun]] = {}
    for run in runs:
        value = run.config.get(key, _NULL)
        is_alone = key == STUDY and value == _NULL
        by_value.setdefault(("run", run.id) if is_alone else ("value", value), []).append(run)
    if not FEWEST <= len(by_value) <= MOST:
        found = counted(len(by_value), "group")
        raise SetupError(
            f"compare takes {FEWEST} to {MOST} groups of runs, but these runs are {found}"
            f" by {printable(key)}"
        )
    colors = assign_colors([value for _, value in by_value])
    return [
        _group(LETTERS[number], members[0].name if kind == "run" else value, color, members, splits)
        for number, ((kind, value), members, color) in enumerate(
            (name, members, color)
            for (name, members), color in zip(by_value.items(), colors, strict=True)
        )
    ]


def named_groups(
    groups: Sequence[tuple[str, str, Sequence[ComparedRun]]],
    splits: Mapping[str, int] | None = None,
) -> list[RunGroup]:
    """Return groups of runs, each given by an id, which decides its color, a name, and its runs."""
    colors = assign_colors([id for id, _, _ in groups])
    return [
        _group(LETTERS[number], name, color, runs, splits)
        for number, ((_, name, runs), color) in enumerate(zip(groups, colors, strict=True))
    ]


def _group(
    letter: str,
    name: str,
    color: int,
    members: Sequence[ComparedRun],
    splits: Mapping[str, int] | None,
) -> RunGroup:
    runs, repeated = _without_repeated(members)
    label = [replace(run.label, letter=letter, color=color) for run in runs]
    runs = [replace(run, label=each) for run, each in zip(runs, label, strict=True)]
    keys, noun = _member_keys(runs)
    return RunGroup(
        letter, name, color, tuple(runs), keys, noun, _overlap(runs, splits or {}), repeated
    )


def _without_repeated(
    runs: Sequence[ComparedRun],
) -> tuple[list[ComparedRun], tuple[str, ...]]:
    """Return the runs with different configs, and the ids of the others.

    Equal configs give equal results: they are one member, as its repetition shows no spread. A
    finished run is preferred.
    """
    kept: dict[object, ComparedRun] = {}
    for run in runs:
        config = frozenset(item for item in run.config.items() if item[0] not in _NAMES)
        before = kept.setdefault((config, run.commands), run)
        if before.status != "finished" and run.status == "finished":
            kept[config, run.commands] = run
    ids = {run.id for run in kept.values()}
    return list(kept.values()), tuple(run.id for run in runs if run.id not in ids)


def _member_keys(runs: Sequence[ComparedRun]) -> tuple[tuple[str, ...], str]:
    """Return what each run is paired by, and what the runs differ in."""
    seeds = [f"seed {run.config.get(_SEED, _NULL)}" for run in runs]
    folds = [f"fold {run.config.get(_FOLD, _NULL)}" for run in runs]
    if all(_folds(run) for run in runs):
        if len(set(folds)) == len(folds):
            return tuple(folds), "fold"
        both = [f"{fold}, {seed}" for fold, seed in zip(folds, seeds, strict=True)]
        if len(set(both)) == len(both):
            return tuple(both), "run"
    elif len(set(seeds)) == len(seeds) and not any(_folds(run) for run in runs):
        return tuple(seeds), "seed"
    return tuple(run.id for run in runs), "run"


def _folds(run: ComparedRun) -> int:
    text = run.config.get(_FOLDS, "0")
    return int(text) if text.isdecimal() else 0


def _overlap(runs: Sequence[ComparedRun], splits: Mapping[str, int]) -> float:
    """Return `n_val/n_train` of runs with different splits; 0 for the same split."""
    if len(runs) < 2:
        return 0.0
    folds = max(map(_folds, runs))
    if folds > 1:
        return 1 / (folds - 1)
    known = [splits.get(run.id) for run in runs]
    differ = len(set(known)) > 1 if None not in known else len(set(map(_split_seed, runs))) > 1
    sizes = [run.images for run in runs if run.images and run.images[0]]
    if not (differ and sizes):
        return 0.0
    return sum(val / train for train, val in sizes) / len(sizes)


def _split_seed(run: ComparedRun) -> object:
    """Return what decides the split of a run, without knowing its `split.csv`."""
    given = run.config.get("data.split", _NULL)
    seed = run.config.get(_SPLIT_SEED, _NULL)
    return given if given != _NULL else run.config.get(_SEED) if seed == _NULL else seed


def group_results(groups: Sequence[RunGroup]) -> list[GroupResult]:
    """Return every result of the comparison for the groups."""
    runs = [run for group in groups for run in group.runs]
    found = []
    for row in results(runs) if runs else ():
        values = dict(zip((run.id for run in runs), row.values, strict=True))
        samples = tuple(group.sample(values) for group in groups)
        ranking = (
            compare_with_best(samples, row.goal)
            if row.goal
            else Ranking(None, (None,) * len(samples))
        )
        found.append(GroupResult(row, samples, tuple(map(summarize, samples)), ranking))
    return found


def group_config(groups: Sequence[RunGroup]) -> list[GroupedKey]:
    """Return the config keys in which the groups differ, or the runs of a group; without their
    names, and without seeds and folds that all groups have alike."""
    keys = dict.fromkeys(key for group in groups for run in group.runs for key in run.config)
    found = []
    for key in keys:
        values = tuple(
            tuple(dict.fromkeys(run.config.get(key, _NULL) for run in group.runs))
            for group in groups
        )
        alike = len({frozenset(each) for each in values}) == 1
        is_expected = key in MEMBER_KEYS or len(values[0]) == 1
        if key not in _NAMES and not (alike and is_expected):
            found.append(GroupedKey(key, values))
    return found


def statuses(group: RunGroup) -> str:
    """Return the numbers of runs by status: `4 finished, 1 failed`."""
    return ", ".join(f"{count:,} {status}" for status, count in _counts(group))


def _counts(group: RunGroup) -> list[tuple[str, int]]:
    return Counter(run.status for run in group.runs).most_common()


def read_splits(paths: Sequence[Path]) -> dict[str, int]:
    """Return a checksum of each run's `split.csv` by id, without runs that have none."""
    found = {}
    for path in paths:
        try:
            with RunFolder(path).split.open("rb") as file:
                checksum = 0
                while chunk := file.read(_CHUNK):
                    checksum = zlib.crc32(chunk, checksum)
        except OSError:
            continue
        found[path.name] = checksum
    return found
