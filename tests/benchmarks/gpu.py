"""ConvNeXt-Base on a GPU: this program, a tuned loop, a bare step, and the peak of the GPU.

    python -m tests.benchmarks.gpu [--sizes 224,384] [--batches 32,64,128,256] [--json FILE]

bf16, all weights trained from random ones, on drawn JPEG photos unless --data is given. `bare`
repeats one batch on the GPU: the limit of the GPU for this network. `tuned` is a plain, optimized
loop over the same photos. Both and this program (headless, empty cache) are measured in their last
epoch; the first one of this program, which fills its caches, is reported too. `peak share` is the
network's arithmetic rate divided by that of a large matrix product in the same run, `busy` the
utilization reported by NVML. Then phase head alone: 30 epochs.

Prints one line if there is no GPU.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.events.record import Record
from core.events.types import EpochEnded, PhaseEnded, PhaseStarted, Progress
from tests.benchmarks.common import (
    NOTHING,
    Options,
    Report,
    Table,
    main,
    mean,
    options_parser,
    say,
)
from tests.benchmarks.gpu_watch import GpuWatch
from tests.benchmarks.photos import draw_photos
from tests.benchmarks.program import Run, environment, of_kind, speed, to_the_last_epoch

_PROBE = """
import json, torch
there = torch.cuda.is_available()
print(json.dumps(str(torch.cuda.get_device_properties(0).uuid) if there else None))
"""
_HEAD_EPOCHS = 30


@dataclass(frozen=True)
class Found:
    """Result of one of the three."""

    images_per_second: float
    busy: float
    """GPU utilization, 0 to 1; NaN if NVML doesn't report it."""
    data_wait: float
    """Fraction of data loading time; NaN if no data is loaded."""
    first_epoch: float = float("nan")
    """Images per second in the first epoch."""
    note: str = ""


def measure(options: Options, work: Path) -> Report:
    """Measure all sizes and batches."""
    uuid = _gpu_uuid()
    if uuid is None and options.device == "cuda":
        return Report(notes=["no GPU that torch can use: nothing to measure"])
    data = options.data or draw_photos(work / "photos", options.images)
    report = Report()
    with GpuWatch(uuid) as watch:
        peak = float(_loop(options, "peak")["flops_per_second"])
        report.values["peak_flops_per_second"] = peak
        for size in (int(text) for text in options.sizes.split(",")):
            report.tables.append(_compare(size, options, data, work, watch, peak, report))
        if options.head_images:
            report.tables.append(_head(options, work, report))
    report.notes.append(f"matrix peak: {peak / 1e12:.0f} TFLOP/s in bf16")
    return report


def _compare(
    size: int,
    options: Options,
    data: Path,
    work: Path,
    watch: GpuWatch,
    peak: float,
    report: Report,
) -> Table:
    flops = float(_loop(options, "flops", size=size)["flops"])
    table = Table(
        f"{options.model} at {size} px, training step of {flops / 1e9:.0f} GFLOP per image",
        ["", "batch", "img/s", "of tuned", "peak share", "busy", "data wait", "1st epoch"],
    )
    for batch in (int(text) for text in options.batches.split(",")):
        found = {
            "bare": _from_loop(options, watch, "bare", size=size, batch=batch),
            "tuned": _from_loop(options, watch, "tuned", size=size, batch=batch, data=str(data)),
            "this program": _from_program(options, watch, size, batch, data, work),
        }
        report.values[f"{size} px, batch {batch}"] = {k: asdict(v) for k, v in found.items()}
        for name, one in found.items():
            say(f"{size} px, batch {batch}: {name} {one.images_per_second:.0f} img/s {one.note}")
            tuned = found["tuned"].images_per_second
            table.add(
                name,
                str(batch),
                _number(one.images_per_second, 0),
                _number(one.images_per_second / tuned, 2),
                _number(one.images_per_second * flops / peak, 3),
                _number(one.busy, 2),
                _number(one.data_wait, 2),
                _number(one.first_epoch, 0),
            )
            if one.note:
                report.notes.append(f"{size} px, batch {batch}, {name}: {one.note}")
    return table


def _from_loop(options: Options, watch: GpuWatch, kind: str, **values: Any) -> Found:
    told = _loop(options, kind, epochs=options.epochs, **values)
    if "error" in told:
        return Found(*[float("nan")] * 3, note=told["error"])
    return Found(
        told["images_per_second"],
        watch.busy(told["begin"], told["end"]),
        told.get("data_wait", float("nan")),
        told.get("first_epoch", float("nan")),
    )


def _from_program(
    options: Options, watch: GpuWatch, size: int, batch: int, data: Path, work: Path
) -> Found:
    settings = {
        **_settings(options, size, data),
        "data.batch_size": batch,
        **to_the_last_epoch("full", options.epochs),
    }
    run = Run(settings, work / f"full-{size}-{batch}")
    run.finish()
    records = run.records()
    last, first = (_training_pass(records, epoch) for epoch in (options.epochs, 1))
    rate = speed(records, *last)
    smaller = any("micro-batches" in getattr(record.event, "message", "") for record in records)
    return Found(
        rate.images_per_second,
        watch.busy(*last),
        rate.data_wait,
        speed(records, *first).images_per_second,
        "the program reduced the micro-batch size" if smaller else "",
    )


def _training_pass(records: list[Record], epoch: int) -> tuple[float, float]:
    """Return the times of the first and last report of an epoch's training pass."""
    reports = of_kind(records, Progress)
    times = [at for at, event in reports if event.epoch == epoch and event.stage == "train"]
    return times[0], times[-1]


def _head(options: Options, work: Path, report: Report) -> Table:
    data = options.data or draw_photos(work / "head-photos", options.head_images)
    settings = {
        **_settings(options, options.head_size, data),
        **to_the_last_epoch("head", options.head_epochs),
    }
    run = Run(settings, work / "head")
    whole = run.finish()
    records = run.records()
    [(began, _)], [(ended, _)] = of_kind(records, PhaseStarted), of_kind(records, PhaseEnded)
    epochs = [event.seconds for _, event in of_kind(records, EpochEnded)]
    table = Table(
        f"phase head at {options.head_size} px, {options.head_epochs} epochs, seconds",
        ["", "phase", "1st epoch", "a later epoch (mean)", "start", "whole"],
    )
    figures = (ended - began, epochs[0], mean(epochs[1:]), began - run.began, whole)
    table.add("this program", *(f"{value:.2f}" for value in figures))
    report.values["head"] = {"phase": ended - began, "epochs": epochs, "whole": whole}
    return table


def _settings(options: Options, size: int, data: Path) -> dict[str, object]:
    return {
        "device": options.device,
        "data.root": data,
        "data.image_size": size,
        "model.name": options.model,
        "model.pretrained": False,
    }


def _loop(options: Options, kind: str, **values: Any) -> dict[str, Any]:
    """Run a part in its own process, so that GPU memory is empty before and after it."""
    asked = {"kind": kind, "model": options.model, "device": options.device, **values}
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.gpu_loop", json.dumps(asked)],
        env=environment(),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{kind} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _gpu_uuid() -> str | None:
    probe = [sys.executable, "-c", _PROBE]
    done = subprocess.run(probe, env=environment(), capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def _number(value: float, digits: int) -> str:
    return NOTHING if value != value else f"{value:.{digits}f}"


def _parser() -> argparse.ArgumentParser:
    parser = options_parser(__doc__)
    parser.add_argument("--data", type=Path, metavar="DIR", help="photos in train/ and val/")
    parser.add_argument("--sizes", default="224,384", help="pixels, comma-separated")
    parser.add_argument("--batches", default="32,64,128,256")
    parser.add_argument("--images", type=int, default=4000, help="number to draw for training")
    parser.add_argument("--epochs", type=int, default=3, help="only the last one is measured")
    parser.add_argument("--head-images", type=int, default=9000, help="0 = skip phase head")
    parser.add_argument("--head-epochs", type=int, default=_HEAD_EPOCHS)
    parser.add_argument("--head-size", type=int, default=224)
    parser.add_argument("--model", default="convnext_base", help="a timm model")
    parser.add_argument("--device", default="cuda", help="cpu only checks this script")
    return parser


def _quick(options: Options, work: Path) -> Report:
    if options.quick:
        options.sizes, options.batches, options.images, options.epochs = "224", "64", 600, 2
        options.head_images, options.head_epochs = 600, 3
    return measure(options, work)


if __name__ == "__main__":
    sys.exit(main(_parser(), _quick))
