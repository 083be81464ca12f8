"""Findings and verdict: right on scripted courses, silent on healthy ones."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from core.analysis.findings.announcer import Announcer
from core.analysis.findings.findings import FINDINGS, find
from core.analysis.findings.verdict import report, verdict
from core.config.load import with_values
from core.config.schema import Config
from core.events import types as ev
from core.events.evaluation_parts import Confusion
from core.events.record import Record
from core.run.state import RunState, fold
from tests.core import run_kit

Curve = Sequence[float]
CLASSES = 10


def script(
    *phases: tuple[str, Curve, Curve, Curve, Curve],
    limits: tuple[int, int] = (0, 0),
    train: int = 4000,
    val: int = 1000,
    running: bool = False,
    wrong: Sequence[int] = (),
) -> list[ev.Event]:
    """Return the events of a run: per phase its train loss, val loss, train and val top-1.

    `limits` are the maximum epochs of the phases, by default those given; `wrong` are the errors
    of each class in the last epoch.
    """
    planned = {name: len(losses) for name, losses, *_ in phases}
    planned |= {name: limit for name, limit in zip(("head", "full"), limits, strict=True) if limit}
    config = with_values(
        Config(), {f"phases.{name}.epochs": planned.get(name, 0) for name in ("head", "full")}
    )
    classes = [f"class{number}" for number in range(CLASSES)]
    events: list[ev.Event] = [
        ev.RunStarted(run_id="x", name="x", config=config.model_dump(mode="json")),
        ev.DataReady(root="x", classes=classes, train=train, val=val),
    ]
    best = -1.0
    for name, *curves in phases:
        events.append(replace(run_kit.HEAD, phase=name, epochs=planned[name]))
        rows = list(zip(*curves, strict=True))
        for number, (train_loss, val_loss, train_top1, val_top1) in enumerate(rows, 1):
            events.append(
                replace(
                    run_kit.epoch(number, val_loss, best=val_top1 > best),
                    phase=name,
                    train_loss=train_loss,
                    train_top1=train_top1,
                    val_top1=val_top1,
                )
            )
            best = max(best, val_top1)
        if wrong and name == phases[-1][0]:
            events.append(evaluation(name, len(rows), val, wrong))
        if not (running and name == phases[-1][0]):
            events.append(
                ev.PhaseEnded(
                    phase=name, reason="epochs", epochs=len(rows), seconds=1.0, best_epoch=1,
                    best_val_top1=best, best_val_loss=0.5,
                )
            )  # fmt: skip
    if not running:
        events.append(ev.RunEnded(outcome="finished", reason="all phases done"))
    return events


def evaluation(phase: str, epoch: int, val: int, wrong: Sequence[int]) -> ev.Evaluated:
    support = [val // CLASSES] * CLASSES
    return ev.Evaluated(
        phase=phase,
        epoch=epoch,
        support=support,
        predicted=support,
        correct=[images - errors for images, errors in zip(support, wrong, strict=True)],
        confusions=[Confusion(0, 1, 1)],
        confusions_left_out=0,
        calibration=[],
        mistakes=[],
    )


def state_of(events: Sequence[ev.Event]) -> RunState:
    return fold(Record(seq, float(seq), event) for seq, event in enumerate(events, 1))


def falling(start: float, end: float, epochs: int) -> list[float]:
    """Return a curve that falls, or rises, exponentially to `end`."""
    return [end + (start - end) * math.exp(-4 * n / epochs) for n in range(epochs)]


HEAD = ("head", falling(2.0, 0.8, 6), falling(1.8, 0.8, 6), falling(0.4, 0.7, 6),
        falling(0.5, 0.75, 6))  # fmt: skip
FLAT = [0.7] * 12
LATE_RISE = [1.0, 0.7, 0.6, 0.62, 0.66, 0.7, 0.8]
FALL = [1.0, 0.6, 0.4, 0.25, 0.15, 0.1, 0.05]
TOP = [0.6, 0.7, 0.75, 0.75, 0.74, 0.75, 0.74]
MEMORIZED = [0.6, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99]


def full(train: Curve, val: Curve, train_top1: Curve, val_top1: Curve) -> tuple[object, ...]:
    return ("full", train, val, train_top1, val_top1)


BAD: dict[str, tuple[list[ev.Event], set[str], str]] = {
    "overfitting": (
        script(full(FALL, LATE_RISE, MEMORIZED, TOP)), {"overfitting"},
        "overfitting since full epoch 3: val loss 0.6000 → 0.8000 while train loss 0.4000 → 0.0500",
    ),
    "overfitting while it trains": (
        script(full(FALL, LATE_RISE, MEMORIZED, TOP), running=True, limits=(0, 20)),
        {"overfitting"}, "since full epoch 3",
    ),
    "overfitting of the head": (
        script(("head", FALL, LATE_RISE, MEMORIZED, TOP)), {"overfitting"}, "since head epoch 3",
    ),
    "overfitting after phase head": (
        script(HEAD, full(FALL, LATE_RISE, MEMORIZED, [0.75, 0.76, 0.8, 0.8, 0.79, 0.8, 0.8])),
        {"overfitting"}, "since full epoch 3",
    ),
    "overfitting at once": (
        script(full(FALL, [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1], MEMORIZED, [0.8] * 7)),
        {"overfitting"}, "since full epoch 1",
    ),
    "stagnation": (
        script(full(FLAT, FLAT, FLAT, [0.5] * 12), running=True, limits=(0, 18)), {"stagnation"},
        "nothing has improved for 6 epochs: val top-1 50.00%",
    ),
    "stagnation after progress": (
        script(full([1.0, 0.8, *[0.7] * 8], [1.0, 0.8, *[0.75] * 8], FLAT[:10],
                    [0.3, 0.45, *[0.5] * 8]), running=True, limits=(0, 12)),
        {"stagnation"}, "for 5 epochs",
    ),
    "stagnation of the head": (
        script(("head", [0.7] * 20, [0.7] * 20, [0.7] * 20, [0.5] * 20), running=True,
               limits=(40, 0)), {"stagnation"}, "for 14 epochs",
    ),
    "spike": (
        script(full([1.0, 0.8, 0.7, 1.9, 0.8], falling(1.0, 0.7, 5), falling(0.5, 0.7, 5),
                    falling(0.5, 0.75, 5))), {"loss-spike"},
        "train loss jumped from 0.7000 to 1.9000 in full epoch 4",
    ),
    "last epoch spikes": (
        script(full([1.0, 0.8, 0.7, 0.6, 1.2], falling(1.0, 0.7, 5), falling(0.5, 0.7, 5),
                    falling(0.5, 0.75, 5)), running=True), {"loss-spike"}, "in full epoch 5",
    ),
    "spike of the head": (
        script(("head", [1.0, 0.8, 1.9, 0.8], falling(1.0, 0.7, 4), falling(0.5, 0.7, 4),
                falling(0.5, 0.75, 4))), {"loss-spike"}, "in head epoch 3",
    ),
    "diverging": (
        script(full([2.0, 4.0], [3.0, 5.0], [0.3, 0.1], [0.2, 0.1]), running=True, limits=(0, 9)),
        {"learning-rate"}, "train loss 4.0000 is worse than guessing (2.3026)",
    ),
    "diverging head": (
        script(("head", [3.0, 5.0, 6.0], [3.0, 5.0, 6.0], [0.3, 0.1, 0.1], [0.3, 0.1, 0.1])),
        {"learning-rate"}, "the learning rate of phase head is too high",
    ),
    "full destroys the head": (
        script(HEAD, full([1.9, 1.8], [1.9, 1.8], [0.3, 0.35], [0.35, 0.4]), running=True,
               limits=(6, 9)), {"learning-rate"},
        "val top-1 fell from 74.",
    ),
    "full destroys the head and recovers in part": (
        script(HEAD, full([1.9, 1.0, 0.9], [1.9, 1.0, 0.9], [0.3, 0.6, 0.7], [0.35, 0.6, 0.7])),
        {"learning-rate", "full-below-head"}, "its learning rate may be too high",
    ),
    "full below head with few images": (
        script(HEAD, full([1.0, 0.9], [0.9, 0.9], [0.7, 0.7], [0.7, 0.71]), train=120),
        {"full-below-head"}, "with 12 images per class the frozen backbone does better",
    ),
    "full below head": (
        script(HEAD, full([1.0, 0.9], [0.9, 0.9], [0.7, 0.7], [0.7, 0.71])), {"full-below-head"},
        "phase full reached 71.00%, less than phase head with 74.",
    ),
    "full below head by one image": (
        script(HEAD, full([1.0, 0.8], [0.9, 0.8], [0.7, 0.75], [0.73, 0.74])),
        {"full-below-head"}, "within chance",
    ),
    "full below head and overfitting": (
        script(HEAD, full(FALL, LATE_RISE, MEMORIZED, [0.7] * 7)),
        {"overfitting", "full-below-head"}, "the best weights of the run are those of phase head",
    ),
    "spike and below head": (
        script(HEAD, full([1.0, 0.8, 2.0], [0.9, 0.9, 0.9], [0.7] * 3, [0.7] * 3)),
        {"loss-spike", "full-below-head"}, "in full epoch 3",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_problem_is_found_with_its_figures(name: str) -> None:
    events, codes, part = BAD[name]
    found = find(state_of(events))
    assert {finding.code for finding in found} == codes
    assert any(part in finding.text for finding in found), [f.text for f in found]
    assert all(finding.code in FINDINGS for finding in found)


def healthy(seed: int) -> list[ev.Event]:
    """Return a run that goes well, of any length and with the noise of its validation images."""
    draw = random.Random(seed)
    val = draw.choice([60, 200, 1000, 5000])
    noise = math.sqrt(0.2 / val) / 2
    reached = draw.choice([0.6, 0.8, 0.95, 0.998])
    phases = []
    before = 0.2
    for name in draw.choice([("head",), ("full",), ("head", "full")]):
        epochs = draw.choice([1, 2, 3, 8, 15])
        top1 = [
            min(1.0, value + draw.gauss(0, noise) * 0.5)
            for value in falling(before + 0.1, reached, epochs)
        ]
        if before > 0.2 and max(top1) < before:
            top1[-1] = before
        final = 1.6 * (1 - reached) + 0.02
        train = [value * draw.uniform(0.97, 1.03) for value in falling(2.0, final, epochs)]
        loss = [value * draw.uniform(0.98, 1.02) for value in falling(1.9, final * 1.1, epochs)]
        phases.append((name, train, loss, [value - 0.01 for value in top1], top1))
        before, reached = max(top1), min(0.999, reached + 0.02)
    return script(*phases, val=val, running=draw.random() < 0.3)


@pytest.mark.parametrize("seed", range(20))
def test_healthy_runs_have_no_findings(seed: int) -> None:
    assert find(state_of(healthy(seed))) == []


@pytest.mark.parametrize("name", BAD)
def test_each_finding_is_announced_once_and_the_verdict_at_the_end(name: str) -> None:
    events, codes, _ = BAD[name]
    announcer, state = Announcer(), RunState()
    said: list[tuple[str, str]] = []
    for seq, event in enumerate(events, 1):
        state.apply(Record(seq, float(seq), event))
        said += announcer.take(event, state)
    warnings = [text for level, text in said if level == "warning"]
    assert len(warnings) == len(set(warnings)) >= len(codes)
    ends = isinstance(events[-1], ev.RunEnded)
    assert [text for level, text in said if level == "info"] == (verdict(state) if ends else [])


WELL = (
    *(falling(2.0, 0.3, 20), falling(1.9, 0.35, 20)),
    *(falling(0.3, 0.85, 20), falling(0.4, 0.87, 20)),
)


@pytest.mark.parametrize(
    ("events", "sentences"),
    [
        (
            script(full(*WELL), wrong=[50, 8, 8, 8, 8, 8, 8, 8, 8, 8]),
            [
                "train top-1 83.77% and val top-1 85.95% are close",
                "more epochs are not likely to help; a larger backbone or more data may",
                "class class0 costs most: 50 of 122 errors, 50 of 100 images correct",
            ],
        ),
        (
            script(full(FALL, LATE_RISE, MEMORIZED, TOP), train=200),
            ["overfitting since full epoch 3", "more data or stronger augmentation"],
        ),
        (
            script(full([1.5, 1.2, 1.0, 0.8], [1.4, 1.1, 0.9, 0.7], [0.4, 0.5, 0.6, 0.65],
                        [0.45, 0.55, 0.62, 0.7])),
            ["train top-1 65.00% and val top-1 70.00% are close", "still improving"],
        ),
        (
            script(full(falling(0.5, 0.01, 6), falling(0.4, 0.02, 6), [0.99] * 6, [0.995] * 6)),
            ["val top-1 99.50% with train top-1 99.00%", "little is left to gain: 5 errors"],
        ),
        (script(full([1.0], [1.0], [0.5], [0.5])), []),
        (script(full(*WELL), wrong=[10] * 10), ["train top-1", "more epochs"]),
    ],
)  # fmt: skip
def test_the_verdict_says_only_what_the_curves_support(
    events: list[ev.Event], sentences: list[str]
) -> None:
    found = verdict(state_of(events))
    assert len(found) == len(sentences) <= 3
    for text, begins in zip(found, sentences, strict=True):
        assert text.startswith(begins)


def test_a_run_without_images_or_epochs_has_neither() -> None:
    assert report(RunState()) == []
    assert find(state_of(script(full([math.nan], [math.nan], [0.1], [0.1])))) == []
