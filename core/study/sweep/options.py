"""Options of a sweep: checked before anything is created, and read from `study.yaml`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import islice, product
from math import prod
from typing import Any

from core.common.errors import SetupError
from core.common.format import counted
from core.common.nested import flatten, yaml_text
from core.common.text import quoted
from core.config.key_docs import allowed_values
from core.config.load import ConfigError, changed, parse_override
from core.config.schema import Config
from core.study.definition import Study
from core.study.sweep.objective import DEFAULT, Objective, objective_of
from core.study.sweep.ranges import SweptKey, Value, as_float, parse_range

TPE, RANDOM, GRID = "tpe", "random", "grid"
SAMPLERS = (TPE, RANDOM, GRID)
NO_PRUNER, MEDIAN, HALVING = "none", "median", "halving"
PRUNERS = (NO_PRUNER, MEDIAN, HALVING)
MAX_TRIALS = 10_000
_SET_BY_STUDY = ("name", "study")
_MOST_CHECKED = 64
"""Combinations of ends that are checked before a sweep is created."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """How the trials of a study are chosen and judged."""

    keys: Mapping[str, SweptKey]
    trials: int
    sampler: str
    pruner: str
    objective: Objective

    def grid_values(self, number: int) -> dict[str, Value]:
        """Return the values of trial `number` (from 1) of a grid; the last key varies first."""
        values: dict[str, Value] = {}
        place = number - 1
        for key, swept in reversed(list(self.keys.items())):
            grid = swept.grid
            assert grid is not None, "the ranges of a grid are checked when it is created"
            place, index = divmod(place, len(grid))
            values[key] = grid[index]
        return {key: values[key] for key in self.keys}

    def to_options(self) -> dict[str, Any]:
        """Return the options as `study.yaml` records them."""
        return {
            "keys": {key: swept.text for key, swept in self.keys.items()},
            "trials": self.trials,
            "sampler": self.sampler,
            "pruner": self.pruner,
            "objective": self.objective.figure,
        }


def sweep_options(
    config: Config,
    ranges: Mapping[str, object],
    trials: int | None = None,
    sampler: str = TPE,
    pruner: str = NO_PRUNER,
    objective: str = DEFAULT,
) -> dict[str, Any]:
    """Return the options of a sweep over ranges such as `{"phases.head.lr": "1e-4..1e-2:log"}`.

    Without `trials` a grid is complete. Raises SetupError for anything that a trial would refuse,
    and without Optuna.
    """
    if not ranges:
        raise SetupError("a sweep varies at least one config key: --sweep KEY=RANGE")
    _require_one_of("--sampler", sampler, SAMPLERS)
    _require_one_of("--pruner", pruner, PRUNERS)
    judged = objective_of(objective)
    keys = {key: _checked(config, key, given) for key, given in ranges.items()}
    _check_ends(config, keys)
    number = _number_of_trials(keys, trials, sampler)
    if find_spec("optuna") is None:
        raise SetupError("a sweep needs optuna: pip install 'convnext-tui[sweep]'")
    return Sweep(keys, number, sampler, pruner, judged).to_options()


def sweep_of(study: Study) -> Sweep:
    """Return the sweep of a study; raises SetupError for a damaged definition."""
    options = study.options
    ranges, trials = options.get("keys"), options.get("trials")
    sampler, pruner = options.get("sampler"), options.get("pruner")
    problem = ""
    if not isinstance(ranges, dict) or not ranges:
        problem = "keys"
    elif not isinstance(trials, int) or not 1 <= trials <= MAX_TRIALS:
        problem = "trials"
    elif sampler not in SAMPLERS:
        problem = "sampler"
    elif pruner not in PRUNERS:
        problem = "pruner"
    if problem:
        raise SetupError(f"{study.definition}: options.{problem} is missing or invalid")
    assert isinstance(ranges, dict) and isinstance(trials, int)
    try:
        keys = {str(key): parse_range(str(key), given) for key, given in ranges.items()}
        objective = objective_of(str(options.get("objective")))
    except SetupError as error:
        raise SetupError(f"{study.definition}: {error}") from None
    if sampler == GRID and any(swept.grid is None for swept in keys.values()):
        raise SetupError(f"{study.definition}: options.keys has a range without a grid")
    return Sweep(keys, trials, str(sampler), str(pruner), objective)


def parse_sweep(text: str) -> tuple[str, str]:
    """Return key and range of a `KEY=RANGE` text; raises SetupError."""
    key, equals, given = text.partition("=")
    if not equals or not key.strip() or not given.strip():
        raise SetupError(
            f"--sweep {quoted(text)} is not KEY=RANGE, such as phases.head.lr=1e-4..1e-2:log"
        )
    return key.strip(), given


def _require_one_of(option: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise SetupError(f"{option} is {quoted(value)}; expected {', '.join(known)}")


def _checked(config: Config, key: str, given: object) -> SweptKey:
    """Return the range of a key, with its values as the schema understands them."""
    parse_override(f"{key}=null")  # reports an unknown key
    if key in _SET_BY_STUDY:
        raise SetupError(f"--sweep {key}: the study sets this key itself")
    swept = parse_range(key, given)
    if swept.is_categorical and "text" in allowed_values(key):
        texts = tuple(None if v is None else yaml_text(v) for v in swept.choices)
        swept = replace(swept, choices=texts)
    values = [_accepted(config, key, value) for value in swept.ends]
    if swept.is_categorical:
        return replace(swept, choices=tuple(values))
    return as_float(swept) if isinstance(values[0], float) else swept


def _accepted(config: Config, key: str, value: Value) -> Value:
    """Return a value as the schema understands it; raises SetupError if it is refused."""
    try:
        accepted = changed(config, values={key: value})
    except ConfigError as error:
        raise SetupError(f"--sweep {key}: {error}") from None
    return flatten(accepted.model_dump())[key]  # type: ignore[no-any-return]


def _check_ends(config: Config, keys: Mapping[str, SweptKey]) -> None:
    """Raise SetupError if a run could not start with the values at the ends of all ranges."""
    from core.session import preflight  # imports what reads images

    for values in islice(product(*(swept.ends for swept in keys.values())), _MOST_CHECKED):
        both = dict(zip(keys, values, strict=True))
        try:
            preflight.check(changed(config, values=both))
        except SetupError as error:
            shown = ", ".join(f"{key}={yaml_text(value)}" for key, value in both.items())
            raise SetupError(f"--sweep with {shown}: {error}") from None


def _number_of_trials(keys: Mapping[str, SweptKey], trials: int | None, sampler: str) -> int:
    if trials is not None and not 1 <= trials <= MAX_TRIALS:
        raise SetupError(f"--trials is {trials:,}; expected 1 to {MAX_TRIALS:,}")
    counts = [swept.count for swept in keys.values()]
    number = prod(count for count in counts if count is not None)
    if sampler == GRID:
        _require_grid(keys)
        if number > (trials or MAX_TRIALS):
            limit = f"--trials is {trials:,}" if trials else f"at most {MAX_TRIALS:,} are possible"
            raise SetupError(f"the grid has {number:,} trials, but {limit}")
        if trials is not None and trials > number:
            raise SetupError(
                f"the grid has only {counted(number, 'trial')}: omit --trials {trials:,}"
            )
        return number
    if trials is None:
        raise SetupError(f"--sampler {sampler} needs --trials N")
    if None not in counts and trials > number:
        raise SetupError(
            f"the ranges have only {number:,} combinations: use --sampler grid, or at most "
            f"--trials {number}"
        )
    return trials


def _require_grid(keys: Mapping[str, SweptKey]) -> None:
    for key, swept in keys.items():
        if swept.grid is None:
            raise SetupError(
                f"--sampler grid needs single values, but {key} is {swept.text}: give a step or a "
                "list"
            )
