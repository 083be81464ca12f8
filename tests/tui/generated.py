"""Extreme runs, written as the engine writes them."""

import math
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.events import types as ev
from core.events.record import Record
from tests.core.evaluations import evaluated
from tests.tui import classes
from tests.tui.disk import write_run
from tests.tui.scripted import Script

EVIL = (
    "[red]a\x1b[2J[/] \u202eשלום\u202c\u2066 \x9b31m\x07\r\n\t写真 👩‍👩‍👧 \x1b]0;t\x1b\\ \udcff [/x"
)
"""Markup, escapes, right-to-left text, 7-bit and 8-bit controls, wide characters, and a byte that
is not UTF-8."""
EVIL_FOLDER = "20261124-080000-[b]\x1b[2J\u202e写"
_HARMLESS = {"\u200d", "\ufe0e", "\ufe0f"}
_CODES = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def codes(text: str) -> set[str]:
    """Return the control characters of a line: those that a terminal executes instead of draws."""
    return {c for c in text if unicodedata.category(c) in _CODES and c not in _HARMLESS}


def thousand_classes() -> Script:
    return classes.thousand()


def long_run() -> Script:
    """300 epochs in two phases, with 50 commands, every tenth of them refused."""
    script = Script("long").prepare().gpu().phase("head", 200)
    for number in range(1, 301):
        phase, epoch = ("head", number) if number <= 200 else ("full", number - 200)
        loss = 2 / (10 + number)
        script.progress(phase, epoch, 60, loss * 1.2)
        _epoch(script, phase, epoch, loss, 1 - loss)
        if number == 200:
            script.add(ev.PhaseEnded(phase="head", reason="epochs", epochs=200, seconds=9600.0))
            script.phase("full", 100, lr=1e-4)
        if number % 6 == 0:
            _add_command(script, phase, number // 6)
    return script.add(ev.RunEnded(outcome="finished", reason="both phases are done"))


def _epoch(script: Script, phase: str, epoch: int, loss: float, top1: float) -> None:
    values: dict[str, Any] = {"train_loss": loss, "train_top1": top1, "val_top5": top1}
    values |= {"lr": 1e-3, "next_lr": 1e-3, "patience": 50, "min_delta": 0.0, "seconds": 48.0}
    script.add(
        ev.EpochEnded(
            phase=phase,
            epoch=epoch,
            global_step=script.global_step,
            val_loss=loss,
            val_top1=top1,
            best=math.isfinite(loss),
            phase_best=math.isfinite(loss),
            bad_epochs=0 if math.isfinite(loss) else epoch,
            monitor_best=loss if math.isfinite(loss) else math.inf,
            **values,
        )
    )


def _add_command(script: Script, phase: str, number: int) -> None:
    if number % 10 == 0:
        script.add(
            ev.CommandRefused(
                id=f"c{number}",
                command="SetPatience",
                asked=script.time,
                reason=f"patience is {number} already",
            )
        )
    else:
        patience = {"patience": number}
        note = f"patience → {number}"
        script.command("SetPatience", note, id=f"c{number}", phase=phase, arguments=patience)


def only_nan() -> Script:
    """Three epochs in which all metrics are NaN."""
    script = Script("nan").prepare().host_only().phase("head", 30)
    nothing: dict[str, Any] = {
        "top1": math.nan,
        "grad_norm": math.nan,
        "images_per_second": math.nan,
    }
    for number in (1, 2, 3):
        script.progress("head", number, 60, math.nan, **nothing)
        script.add(ev.Warned(code="nonfinite-loss", message="the loss is nan"))
        _epoch(script, "head", number, math.nan, math.nan)
    return script.add(ev.RunEnded(outcome="failed", reason="the loss is nan", seconds=150.0))


def evil_names() -> Script:
    """All external texts are hostile."""
    script = Script("odd")
    config = _config(script)
    config["data"]["root"] = config[EVIL] = EVIL
    # Replaced: no configuration accepts such a name, but a journal may contain it.
    started = ev.RunStarted(run_id=EVIL_FOLDER, name=EVIL, config=config)
    script.records[0] = Record(1, script.time, started)
    names = [EVIL, *classes.ODD]
    script.add(ev.Preparing(stage=EVIL))
    script.add(ev.DataReady(root=EVIL, classes=names, train=80, val=10 * len(names)))
    script.add(ev.Chosen(what=EVIL, value=EVIL, reason=EVIL))
    script.add(
        ev.ModelReady(
            name=EVIL, parameters=1, weights=EVIL, device=EVIL, device_name=EVIL, precision=EVIL
        )
    )
    script.add(ev.DeviceSample(device=EVIL, name=EVIL, note=EVIL, host_cpu=0.5))
    script.phase("head").epoch("head", 1, 0.5, 0.8)
    matrix = [[9 if t == p else int(p == (t + 1) % len(names)) for p in range(len(names))]
              for t in range(len(names))]  # fmt: skip
    script.add(evaluated(matrix))
    script.add(
        ev.SamplesSaved(
            phase="head", epoch=1, path=EVIL, side=8, columns=1, files=[EVIL], labels=[0]
        )
    )
    script.command(EVIL, EVIL, phase="head")
    script.add(ev.CommandRefused(id=EVIL, command=EVIL, asked=script.time, reason=EVIL))
    script.add(ev.Warned(code=EVIL, message=EVIL, files=[EVIL], reasons=[EVIL]))
    script.add(ev.CheckpointSaved(path=EVIL, kind=EVIL, bytes=1, seconds=0.1, global_step=1))
    script.add(ev.PhaseEnded(phase="head", reason=EVIL, epochs=1, seconds=1.0))
    return script.add(ev.RunEnded(outcome="failed", reason=EVIL, seconds=50.0))


def _config(script: Script) -> dict[str, Any]:
    started = script.records[0].event
    assert isinstance(started, ev.RunStarted)
    return started.config


def no_epochs() -> Script:
    """Both phases have 0 epochs."""
    script = Script("none")
    for phase in _config(script)["phases"].values():
        phase["epochs"] = 0
    script.prepare()
    return script.add(ev.RunEnded(outcome="finished", reason="both phases are done", seconds=1.0))


def interrupted() -> Script:
    """A run whose process was killed in the middle of an epoch."""
    script = Script("killed").prepare().head(2).phase("full", 10, lr=1e-4)
    return script.epoch("full", 1, 0.2, 0.93).progress("full", 2, 42, 0.19, lr=1e-4)


RUNS: dict[str, Callable[[], Script]] = {
    "20261124-130000-thousand": thousand_classes,
    "20261124-120000-long": long_run,
    "20261124-110000-nan": only_nan,
    "20261124-100000-none": no_epochs,
    "20261124-090000-killed": interrupted,
    EVIL_FOLDER: evil_names,
}
"""Runs by folder name, in the order of the list."""


def write_all(runs_dir: Path) -> None:
    """Write all runs; the last line of the killed one is torn."""
    for name, made in RUNS.items():
        write_run(runs_dir, name, made().records)
    with (runs_dir / "20261124-090000-killed" / "events.jsonl").open("a") as journal:
        journal.write('{"seq": 99, "time": 17900')
