"""Finished runs of studies on the disk, with given results."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from core.config.schema import Config
from core.events import types as ev
from core.events.journal import JournalWriter
from core.events.record import Record
from core.study.definition import SEEDS, SWEEP, Study, create_study
from core.study.members import Member, member_config, planned_members, trial_member
from core.study.sweep.objective import DEFAULT, objective_of
from core.study.sweep.options import NO_PRUNER, TPE, Sweep, sweep_of
from core.study.sweep.ranges import SweptKey, parse_range
from core.study.sweep.trials import Trial, append_trial
from tests.core.evaluations import evaluated
from tests.tui import scripted
from tests.tui.disk import write_run


def member(
    runs_dir: Path,
    id: str,
    top1: float,
    seed: int,
    outcome: str = "finished",
    study: str | None = None,
    model: str = "convnext_atto",
    fold: int | None = None,
    folds: int = 3,
    epochs: int = 3,
    **config: object,
) -> Path:
    """Write a run whose best val top-1 is that of its last epoch; no outcome is a running one."""
    script = scripted.Script(id).prepare().phase("head")
    event = script.records[0].event
    assert isinstance(event, ev.RunStarted)
    event.config["seed"] = seed
    event.config["study"] = study
    event.config["model"]["name"] = model
    event.config["data"]["split_seed"] = 0
    event.config.update(config)
    if fold is not None:
        event.config["data"].update(fold=fold, folds=folds)
    for epoch in range(1, epochs + 1):
        script.epoch("head", epoch, 1 - top1, top1 - 0.01 * (epochs - epoch))
    if outcome:
        script.add(ev.RunEnded(outcome=outcome, reason="", best_val_top1=top1))
    return write_run(runs_dir, id, script.records)


def seeds(
    runs_dir: Path, study: str, top1: Sequence[float], first: int = 0, **more: object
) -> list[str]:
    """Write a study of seeds; returns the ids of its runs."""
    ids = [f"{study}-{first + n}" for n in range(len(top1))]
    for n, value in enumerate(top1):
        member(runs_dir, ids[n], value, first + n, study=study, **more)  # type: ignore[arg-type]
    return ids


def planned(
    runs_dir: Path,
    kind: str = SEEDS,
    top1: Sequence[float | None] = (0.91, 0.93, 0.92),
    outcomes: Mapping[int, str] | None = None,
    name: str = "flowers",
    created: float = scripted.START,
    classes: Sequence[str] = (),
    **config: object,
) -> Study:
    """Write a study with its definition: a run for each result, None for a member that waits.

    `outcomes` are those of runs that are not finished, by number from 1; empty for one that has no
    end. With `classes` each run has an evaluation.
    """
    options: dict[str, object] = {"count": len(top1)}
    if kind == SEEDS:
        options["vary_split"] = False
    base = Config(name=name, seed=100, **config)  # type: ignore[arg-type]
    study = create_study(runs_dir, kind, base, options, created)
    for each, value in zip(planned_members(study), top1, strict=True):
        if value is not None:
            outcome = (outcomes or {}).get(each.number, "finished")
            write_member(study, each, value, outcome, created + 60 * each.number, classes)
    return study


def write_member(
    study: Study,
    each: Member,
    top1: float,
    outcome: str,
    started: float,
    classes: Sequence[str] = (),
) -> Path:
    """Write the run of a member."""
    tree = member_config(study, each).model_dump()
    script = scripted.Script(tree["name"])
    script.time = started
    script.records.clear()
    script.add(ev.RunStarted(run_id="", name=tree["name"], config=tree), 0)
    if classes:
        script.add(ev.DataReady(root="photos", classes=list(classes), train=800, val=90))
    else:
        script.prepare()
    script.phase("head")
    for epoch in range(1, 7):
        value = top1 - 0.3 * math.exp(-epoch) * (1 + each.number % 3) - 0.004 * (6 - epoch)
        script.epoch("head", epoch, 1.2 - value, value)
        if classes:
            size = len(classes)
            matrix = [[2 + 20 * (a == b) + (a + b + each.number) % 3 for b in range(size)]
                      for a in range(size)]  # fmt: skip
            script.add(evaluated(matrix, epoch=epoch))
    if outcome:
        reason = "no space left on the disk" if outcome == "failed" else ""
        script.add(ev.RunEnded(outcome=outcome, reason=reason, best_val_top1=top1))
    stamp = study.id[:15]
    id = f"{stamp}-{study.name}-{each.label.replace(' ', '-')}".lower()
    return write_run(study.runs_dir, id, script.records)


def sweep(
    runs_dir: Path,
    trials: int = 20,
    keys: Mapping[str, object] | None = None,
    run: int | None = None,
    created: float = scripted.START,
    name: str = "search",
    objective: str = DEFAULT,
) -> Study:
    """Write a sweep with the runs of its first trials, by default of all; the third one was pruned.

    The objective is best for middle values of the first key.
    """
    config = Config(name=name, seed=100)
    ranges = keys or {
        "phases.head.lr": "1e-4..1e-1:log",
        "phases.head.weight_decay": "0.0..0.3",
        "model.name": "[convnext_atto, convnext_femto]",
    }
    parsed = {key: parse_range(key, given) for key, given in ranges.items()}
    chosen = Sweep(parsed, trials, TPE, NO_PRUNER, objective_of(objective))
    study = create_study(runs_dir, SWEEP, config, chosen.to_options(), created)
    swept = sweep_of(study).keys
    for number in range(1, (trials if run is None else run) + 1):
        share = [((number * (7 + 4 * n)) % 23) / 22 for n in range(len(swept))]
        values = {k: _value(s, x) for (k, s), x in zip(swept.items(), share, strict=True)}
        append_trial(study, Trial(number, values))
        top1 = 0.9 - (share[0] - 0.5) ** 2 - 0.05 * share[-1]
        outcome = "stopped" if number == 3 else "finished"
        path = write_member(study, trial_member(number, values), top1, "", created + 60 * number)
        writer = JournalWriter(path / "events.jsonl")
        reason = "pruned: worse than the median" if number == 3 else ""
        end = ev.RunEnded(outcome=outcome, reason=reason, best_val_top1=top1)
        writer.append(Record(10_000, created + 60 * number + 600, end))
        writer.close()
    return study


def _value(swept: SweptKey, share: float) -> object:
    if swept.choices:
        return swept.choices[round(share * (len(swept.choices) - 1))]
    if swept.is_log:
        return float(swept.low * (swept.high / swept.low) ** share)
    value = swept.low + (swept.high - swept.low) * share
    return round(value) if swept.is_int else float(value)
