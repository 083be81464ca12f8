from core.events import types as ev
from core.run.state import RunState, fold
from tests.core.evaluations import evaluated
from tests.tui.scripted import Script


def epoch(script: Script, number: int, top1: float, bad: int = 0, phase: str = "head") -> Script:
    script.epoch(phase, number, 1 - top1, top1, bad)
    return script.add(evaluated([[number, 1], [0, 3]], phase=phase, epoch=number))


def resumed(script: Script, at: int, phase: str = "head", step: int = 0) -> Script:
    event = ev.RunResumed(phase=phase, epoch=at, step=step, global_step=0, checkpoint="last.pt")
    return script.add(event)


def shown_epochs(state: RunState) -> list[int | None]:
    found = (state.evaluations.latest, state.evaluations.before, state.evaluations.best)
    return [e.epoch if e else None for e in found]


def three_epochs() -> Script:
    script = Script().prepare().phase("head")
    epoch(script, 1, 0.5)
    epoch(script, 2, 0.8)
    return epoch(script, 3, 0.7, bad=1)


def test_latest_previous_and_best_reports_are_kept() -> None:
    script = three_epochs()
    assert shown_epochs(fold(script.records)) == [3, 2, 2]
    assert shown_epochs(fold(script.records[:-1])) == [2, 1, 2]
    assert shown_epochs(fold([])) == [None, None, None]


def test_a_best_epoch_without_a_report_yet_has_none() -> None:
    script = three_epochs().epoch("head", 4, 0.1, 0.9)
    assert shown_epochs(fold(script.records)) == [3, 2, None]


def test_a_second_report_of_an_epoch_replaces_the_first() -> None:
    script = three_epochs().add(evaluated([[3, 1], [0, 3]], epoch=3))
    assert shown_epochs(fold(script.records)) == [3, 2, 2]


def test_reports_undone_by_a_resume_are_dropped() -> None:
    assert shown_epochs(fold(resumed(three_epochs(), 4).records)) == [3, 2, 2]
    assert shown_epochs(fold(resumed(three_epochs(), 3).records)) == [2, None, 2]
    assert shown_epochs(fold(resumed(three_epochs(), 2).records)) == [None, None, None]
    best_again = epoch(resumed(three_epochs(), 3), 3, 0.9)
    assert shown_epochs(fold(best_again.records)) == [3, 2, 3]


def samples(phase: str) -> ev.SamplesSaved:
    return ev.SamplesSaved(
        phase=phase,
        epoch=1,
        path=f"samples/{phase}.png",
        side=32,
        columns=1,
        files=["a.png"],
        labels=[0],
    )


def test_samples_are_kept_until_their_phase_restarts() -> None:
    script = Script().prepare().phase("head").add(samples("head"))
    epoch(script, 1, 0.5)
    script.phase("full").add(samples("full"))
    assert list(fold(script.records).evaluations.samples) == ["head", "full"]
    in_full = resumed(script, 1, "full", step=3)
    assert list(fold(in_full.records).evaluations.samples) == ["head", "full"]
    assert list(fold(resumed(in_full, 2, "head").records).evaluations.samples) == ["head"]
