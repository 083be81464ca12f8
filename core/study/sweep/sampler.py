"""Sampler and pruner of a sweep: Optuna, with its journal in the folder of the study.

The journal is the memory of the sampler, not the record of the sweep: whatever is missing in it is
added from `trials.jsonl` and the runs. A trial that is resumed is a new trial there, with the same
values and the number of the sweep's trial as an attribute; its earlier attempts count as failed.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from core.common.errors import SetupError
from core.study.definition import Study
from core.study.state import FAILED, FINISHED, PRUNED, MemberState
from core.study.sweep.epochs import reported_epochs
from core.study.sweep.options import HALVING, MEDIAN, TPE, Sweep
from core.study.sweep.ranges import SweptKey, Value
from core.study.sweep.trials import drop_incomplete_line

if TYPE_CHECKING:
    import optuna

_NAME, _TRIAL = "sweep", "trial"
OVER = (FINISHED, PRUNED, FAILED)
"""Statuses of trials that are told to the sampler."""


class Sampler:
    """Optuna's study of a sweep. `sweep_locked` must be held during every call."""

    def __init__(self, study: Study, sweep: Sweep, seed: int) -> None:
        """Open or create the journal. Raises SetupError without Optuna, and OSError."""
        _require_optuna()
        self._sweep = sweep
        self._seed = seed
        self._distributions = {key: _distribution(one) for key, one in sweep.keys.items()}
        self._optuna = _opened(study, sweep)

    def sync(self, members: Iterable[MemberState], claimed: Iterable[int]) -> None:
        """Tell the results that the sampler does not know yet, and end the attempts of workers that
        have ended."""
        import optuna

        latest = self._by_number()
        live = set(claimed)
        for member in members:
            known = latest.get(member.member.number)
            if member.status in OVER and member.member.values:
                self._tell(member, known)
        for trial in self._trials():
            state, number = trial.state, trial.user_attrs.get(_TRIAL)
            if state == optuna.trial.TrialState.WAITING:  # a process was killed before it asked
                self._optuna.tell(self._optuna.ask(), state=optuna.trial.TrialState.FAIL)
            elif state == optuna.trial.TrialState.RUNNING and not (
                number in live and latest[number].number == trial.number
            ):
                self._optuna.tell(trial.number, state=optuna.trial.TrialState.FAIL)

    def ask(
        self, number: int, values: Mapping[str, Any], reported: Mapping[int, float] | None = None
    ) -> "Asked":
        """Begin an attempt of a trial: with the given values, or sampled ones without any;
        `reported` are objectives by epoch of its earlier attempts."""
        self._optuna.sampler = _sampler(self._sweep.sampler, self._seed + number)
        self._optuna.enqueue_trial(dict(values), user_attrs={_TRIAL: number})
        asked = Asked(self._optuna.ask(self._distributions), number)
        for step, value in (reported or {}).items():
            asked.report(step, value)
        return asked

    def _tell(self, member: MemberState, known: "optuna.trial.FrozenTrial | None") -> None:
        import optuna

        if known is not None and known.state.is_finished() and known.state.name != "FAIL":
            return
        states = optuna.trial.TrialState
        state = {FINISHED: states.COMPLETE, PRUNED: states.PRUNED}.get(member.status, states.FAIL)
        if state == states.COMPLETE and member.objective is None:
            state = states.FAIL
        value = member.objective if state == states.COMPLETE else None
        if known is not None and known.state == states.RUNNING:
            self._optuna.tell(known.number, value, state)
        elif state != states.FAIL:
            values = dict(member.member.values)
            self._optuna.add_trial(
                optuna.trial.create_trial(
                    state=state,
                    value=value,
                    params=values,
                    distributions=self._distributions,
                    user_attrs={_TRIAL: member.member.number},
                    intermediate_values=reported_epochs(member, self._sweep.objective),
                )
            )

    def _by_number(self) -> "dict[int, optuna.trial.FrozenTrial]":
        return {trial.user_attrs[_TRIAL]: trial for trial in self._trials()}

    def _trials(self) -> "list[optuna.trial.FrozenTrial]":
        found = self._optuna.get_trials(deepcopy=False)
        return [trial for trial in found if _TRIAL in trial.user_attrs]


class Asked:
    """An attempt of a trial."""

    def __init__(self, trial: "optuna.trial.Trial", number: int) -> None:
        self._trial = trial
        self._reported: set[int] = set()
        self.number = number

    @property
    def values(self) -> dict[str, Value]:
        """The values of the swept keys."""
        return dict(self._trial.params)

    def report(self, epoch: int, value: float) -> bool:
        """Report the objective after an epoch; returns whether the trial is to be pruned."""
        if epoch in self._reported:
            return False
        self._reported.add(epoch)
        self._trial.report(value, epoch)
        return self._trial.should_prune()


def _require_optuna() -> None:
    try:
        import optuna
    except ImportError:
        raise SetupError("a sweep needs optuna: pip install 'convnext-tui[sweep]'") from None
    # Its messages belong into the log of the study.
    optuna.logging.disable_default_handler()
    optuna.logging.enable_propagation()
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def importances(sweep: Sweep, finished: Iterable[MemberState]) -> dict[str, float]:
    """Return the importance of each key for the objective, by PED-ANOVA."""
    _require_optuna()
    import optuna

    distributions = {key: _distribution(one) for key, one in sweep.keys.items()}
    judged = optuna.create_study(direction=_direction(sweep))
    judged.add_trials(
        optuna.trial.create_trial(
            value=member.objective, params=dict(member.member.values), distributions=distributions
        )
        for member in finished
    )
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    found = optuna.importance.get_param_importances(judged, evaluator=evaluator)
    return {key: float(value) for key, value in found.items()}


def _opened(study: Study, sweep: Sweep) -> "optuna.Study":

    drop_incomplete_line(study.sampler)
    try:
        return _load(study, sweep)
    except OSError:
        raise
    except Exception:  # a damaged line, or one of another version
        logging.getLogger(__name__).exception("%s is made again", study.sampler.name)
        study.sampler.unlink()
        return _load(study, sweep)


def _load(study: Study, sweep: Sweep) -> "optuna.Study":
    import optuna
    from optuna.storages.journal import JournalFileBackend

    backend = JournalFileBackend(str(study.sampler), _HeldLock())  # type: ignore[arg-type]
    pruners = {MEDIAN: optuna.pruners.MedianPruner, HALVING: _halving}
    return optuna.create_study(
        study_name=_NAME,
        storage=optuna.storages.JournalStorage(backend),
        pruner=pruners.get(sweep.pruner, optuna.pruners.NopPruner)(),
        direction=_direction(sweep),
        load_if_exists=True,
    )


def _halving() -> "optuna.pruners.BasePruner":
    import optuna

    return optuna.pruners.SuccessiveHalvingPruner(min_resource=1)


class _HeldLock:
    """Lock of the journal for Optuna, whose own locks expire by time: the caller holds one."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def _direction(sweep: Sweep) -> Literal["maximize", "minimize"]:
    return "maximize" if sweep.objective.maximize else "minimize"


def _sampler(name: str, seed: int) -> "optuna.samplers.BaseSampler":
    import optuna

    seed %= 2**32
    if name == TPE:
        return optuna.samplers.TPESampler(seed=seed)
    return optuna.samplers.RandomSampler(seed=seed)


def _distribution(swept: SweptKey) -> "optuna.distributions.BaseDistribution":
    from optuna import distributions

    if swept.is_categorical:
        return distributions.CategoricalDistribution(swept.choices)
    if swept.is_int:
        return distributions.IntDistribution(
            int(swept.low), int(swept.high), swept.is_log, int(swept.step or 1)
        )
    step = None if swept.step is None else float(swept.step)
    return distributions.FloatDistribution(float(swept.low), float(swept.high), swept.is_log, step)
