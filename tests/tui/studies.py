"""Finished runs of studies on the disk, with given results."""

from collections.abc import Sequence
from pathlib import Path

from core.events import types as ev
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
