"""Validation reports and sample sheets of a run, as part of `RunState`."""

from collections.abc import Callable
from dataclasses import dataclass, field

from core.events import types as ev
from core.run.class_history import ClassHistory, InEpoch
from core.run.state_parts import is_later


@dataclass
class EvaluationState:
    """The validation reports that views show, and the sample sheets of each phase."""

    latest: ev.Evaluated | None = None
    before: ev.Evaluated | None = None
    """The report of the epoch before `latest`."""
    best: ev.Evaluated | None = None
    """The report of the best epoch."""
    history: ClassHistory = field(default_factory=ClassHistory)
    """The accuracy of each class over epochs."""
    samples: dict[str, ev.SamplesSaved] = field(default_factory=dict)
    """Training samples by phase."""

    def apply(self, report: ev.Evaluated, best_epoch: ev.EpochEnded | None) -> None:
        """Add the report of the epoch that ended last; `best_epoch` is the best one so far."""
        if self.latest and not _is_same_epoch(self.latest, report):
            self.before = self.latest
        self.latest = report
        self.history.add(report)
        if best_epoch and _is_same_epoch(report, best_epoch):
            self.best = report

    def rewind(
        self, phase: str, is_kept: Callable[[InEpoch], bool], best_epoch: ev.EpochEnded | None
    ) -> None:
        """Drop what happened after the checkpoint from which a run was resumed in `phase`."""
        kept = [report for report in (self.latest, self.before) if report and is_kept(report)]
        self.latest = kept[0] if kept else None
        self.before = kept[1] if len(kept) > 1 else None
        self.history.rewind(is_kept)
        known = [report for report in (self.best, *kept) if report]
        self.best = next(
            (report for report in known if best_epoch and _is_same_epoch(report, best_epoch)), None
        )
        self.samples = {
            name: event for name, event in self.samples.items() if not is_later(name, phase)
        }


def _is_same_epoch(report: InEpoch, epoch: InEpoch) -> bool:
    return (report.phase, report.epoch) == (epoch.phase, epoch.epoch)
