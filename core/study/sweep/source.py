"""Trials of a sweep for one of its workers: claimed, sampled, pruned, and told to the sampler."""

import logging

from core.events.commands import Stop
from core.events.types import EpochEnded, Event
from core.session.engine_thread import EngineThread
from core.study.definition import Study
from core.study.locks import WorkerLock, claimed_members, sweep_locked
from core.study.member_source import ReadState
from core.study.members import base_config, member_config, trial_member
from core.study.state import (
    FAILED,
    INTERRUPTED,
    PRUNED,
    STOPPED,
    WAITING,
    MemberState,
    StudyState,
)
from core.study.sweep.epochs import reported_epochs, step_of
from core.study.sweep.options import GRID, NO_PRUNER, sweep_of
from core.study.sweep.sampler import Asked, Sampler
from core.study.sweep.trials import Trial, append_trial, read_trials


class Trials:
    """Unfinished trials first, then new ones.

    Any number of workers may do this at the same time: each claims its trial in its lock file, and
    all of it happens under the lock of the sweep. A process may be killed at any moment:

    - before the line of the trial is in `trials.jsonl`: there is no trial; the sampler's attempt
      counts as failed, and the next worker samples it again;
    - before there is a run: the next worker starts it with the recorded values;
    - while it trains: the next worker resumes it;
    - before its result is told: the next worker tells it.
    """

    def __init__(self, study: Study, read: ReadState, lock: WorkerLock) -> None:
        """Raises SetupError for a damaged definition."""
        self._study = study
        self._sweep = sweep_of(study)
        self._seed = base_config(study).seed
        self._read = read
        self._lock = lock
        self._sampler: Sampler | None = None
        self._asked: Asked | None = None
        self._retried: set[int] | None = None
        """Trials that were stopped, or could not start, before this worker began."""

    def next_member(self) -> MemberState | None:
        """Claim and return an unfinished trial, or else a new one, while there are any."""
        with sweep_locked(self._study):
            self._lock.claim(None)
            state = self._read()
            claimed = claimed_members(self._study)
            sampler = self._synced(state, claimed)
            asked = len(read_trials(self._study))
            member = self._unfinished(state, asked, claimed)
            if member is not None:
                self._lock.claim(member.member.number)
                reported = reported_epochs(member, self._sweep.objective)
                self._asked = sampler.ask(member.member.number, member.member.values, reported)
                return member
            return self._new(sampler, asked + 1) if asked < self._sweep.trials else None

    def watch(self, member: MemberState, engine: EngineThread) -> None:
        """Prune the trial after an epoch, before the next one starts."""
        asked = self._asked
        if self._sweep.pruner == NO_PRUNER or asked is None:
            return
        config = member_config(self._study, member.member)

        def prune(event: Event) -> None:
            if isinstance(event, EpochEnded):
                reason = self._pruned(asked, event, config.phases.head.epochs)
                if reason:
                    engine.send(Stop(reason=reason))

        engine.add_callback(prune)

    def member_ended(self) -> None:
        """Tell the result, and give up the claim."""
        with sweep_locked(self._study):
            self._lock.claim(None)
            self._synced(self._read(), claimed_members(self._study))

    def _synced(self, state: StudyState, claimed: set[int]) -> Sampler:
        if self._sampler is None:
            self._sampler = Sampler(self._study, self._sweep, self._seed)
        self._sampler.sync(state.members, claimed)
        return self._sampler

    def _unfinished(self, state: StudyState, asked: int, claimed: set[int]) -> MemberState | None:
        if self._retried is None:
            self._retried = {one.member.number for one in state.members if _may_be_retried(one)}
        for one in state.members[:asked]:
            number = one.member.number
            if number in claimed:
                continue
            if _may_be_retried(one) and number in self._retried:
                self._retried.discard(number)
                return one
            if one.status in (WAITING, INTERRUPTED):
                return one
        return None

    def _new(self, sampler: Sampler, number: int) -> MemberState:
        values = self._sweep.grid_values(number) if self._sweep.sampler == GRID else {}
        self._asked = sampler.ask(number, values)
        # In the order of the definition, not of the sampler.
        values = {key: self._asked.values[key] for key in self._sweep.keys}
        append_trial(self._study, Trial(number, values))
        self._lock.claim(number)
        return MemberState(trial_member(number, values), None, WAITING, is_trial=True)

    def _pruned(self, asked: Asked, epoch: EpochEnded, head_epochs: int) -> str:
        """Report an epoch; returns the reason to stop the trial, empty if it continues."""
        objective = self._sweep.objective
        value, step = objective.of_epoch(epoch), step_of(epoch, head_epochs)
        try:
            with sweep_locked(self._study):
                is_pruned = asked.report(step, value)
        except Exception:  # the trial must not fail because the pruner's file can't be written
            logging.getLogger(__name__).exception("the pruner was not asked")
            return ""
        if not is_pruned:
            return ""
        shown = f"{objective.epoch_label} {objective.text(value)}"
        return f"{PRUNED} after epoch {epoch.epoch} of phase {epoch.phase}: {shown}"


def _may_be_retried(member: MemberState) -> bool:
    """Return whether a trial was stopped, or could not start."""
    return member.status == STOPPED or (member.status == FAILED and member.run is None)
