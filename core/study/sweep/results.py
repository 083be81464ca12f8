"""Results of a sweep: its objective, the best trial so far, and how much each key matters."""

import math
from collections.abc import Mapping
from importlib.util import find_spec

from core.study.definition import SWEEP, Study
from core.study.state import FINISHED, StudyState, read_state
from core.study.state import study_objective as study_objective
from core.study.sweep.objective import Objective as Objective
from core.study.sweep.options import sweep_of
from core.study.sweep.ranges import SweptKey as SweptKey


def swept_keys(study: Study) -> Mapping[str, SweptKey]:
    """Return the swept config keys with their ranges; none for other studies. Raises SetupError."""
    return sweep_of(study).keys if study.kind == SWEEP else {}


def best_so_far(state: StudyState) -> list[tuple[int, float]]:
    """Return the number of each finished trial, and the best objective up to it."""
    objective = study_objective(state.study)
    found: list[tuple[int, float]] = []
    for member in state.of_status(FINISHED):
        if member.objective is not None:
            before = [value for _, value in found[-1:]]
            best = objective.best([*before, member.objective])
            assert best is not None
            found.append((member.member.number, best))
    return found


def key_importances(study: Study, state: StudyState | None = None) -> dict[str, float]:
    """Return the share of each swept key in the variation of the objective, by PED-ANOVA of Optuna
    (Watanabe et al., 2023); the most important key first.

    Empty with fewer than two finished trials, if their results are equal, without Optuna, and for
    values outside their ranges, as in an edited file.
    `state` is that of the study, if it is known already. Raises SetupError.
    """
    if study.kind != SWEEP or find_spec("optuna") is None:
        return {}
    finished = [
        member
        for member in (state or read_state(study)).of_status(FINISHED)
        if member.objective is not None and math.isfinite(member.objective)
    ]
    if len({member.objective for member in finished}) < 2:
        return {}
    from core.study.sweep.sampler import importances

    try:
        return importances(sweep_of(study), finished)
    except (ValueError, RuntimeError):  # values of an edited file, outside their ranges
        return {}
