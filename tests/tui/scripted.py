"""Scripted runs: records with a fixed clock, and a source that records commands."""

import math
from collections.abc import Iterable
from typing import Any

from core.config.schema import Config
from core.events import commands
from core.events import types as ev
from core.events.record import Record
from core.events.types import Event
from core.run.state import RunState

START = 1_790_000_000.0


class ScriptedSource:
    """Source that yields `pending` records and records the commands sent."""

    def __init__(
        self, records: Iterable[Record] = (), live: bool = True, read_only: str = ""
    ) -> None:
        self.pending = list(records)
        self.live = live
        self.read_only_reason = read_only
        self.skipped_lines = 0
        self.sent: list[commands.Command] = []
        self.error: OSError | None = None

    def start(self) -> RunState:
        return RunState()

    def save(self, state: RunState) -> None:
        pass

    def read(self) -> list[Record]:
        if self.error:
            raise self.error
        taken, self.pending = self.pending, []
        return taken

    @property
    def send(self) -> Any:
        return None if self.read_only_reason else self.sent.append


class Script:
    """Builder of records with its own clock."""

    def __init__(self, name: str = "animals20", **config: Any) -> None:
        self.records: list[Record] = []
        self.time = START
        self.global_step = 0
        self.head_epochs, self.full_epochs = 30, 10
        tree = Config(name=name, **config).model_dump()
        self.add(ev.RunStarted(run_id=f"20261124-120000-{name}", name=name, config=tree), 0)

    def add(self, event: Event, seconds: float = 1.0) -> "Script":
        self.time += seconds
        self.records.append(Record(len(self.records) + 1, self.time, event))
        return self

    def source(self, **options: Any) -> ScriptedSource:
        return ScriptedSource(self.records, **options)

    def prepare(self) -> "Script":
        self.add(
            ev.DataReady(
                root="photos", classes=[f"class{n}" for n in range(20)], train=8069, val=897
            )
        )
        return self.add(
            ev.ModelReady(
                name="convnext_base.fb_in22k_ft_in1k_384",
                parameters=87_600_000,
                weights="timm",
                device="cuda:0",
                device_name="NVIDIA H200",
                precision="bf16",
                image_size=224,
            )
        )

    def phase(self, phase: str, epochs: int = 10, patience: int = 5, lr: float = 1e-3) -> "Script":
        return self.add(
            ev.PhaseStarted(
                phase=phase,
                epochs=epochs,
                steps=126,
                val_steps=15,
                global_step=self.global_step,
                trainable_parameters=20_500 if phase == "head" else 87_600_000,
                optimizer="adam",
                lr=lr,
                weight_decay=0.0,
                patience=patience,
                min_delta=0.001,
                scheduler_factor=0.5,
                scheduler_patience=2,
            )
        )

    def progress(
        self, phase: str, epoch: int, step: int, loss: float, stage: str = "train", **more: Any
    ) -> "Script":
        self.global_step += 21
        values: dict[str, Any] = {
            "top1": max(0.0, min(1.0, 1 - loss / 3)),
            "lr": 1e-3,
            "seconds": 0.35 * step,
            "recent_loss": loss,
            "peak_loss": loss,
            "images_per_second": 2310.0,
            "step_seconds": 0.0277,
            "data_wait": 0.03,
            "grad_norm": 0.4 + loss,
        }
        values.update(more)
        return self.add(
            ev.Progress(
                phase=phase,
                epoch=epoch,
                stage=stage,
                step=step,
                steps=126 if stage == "train" else 15,
                global_step=self.global_step,
                loss=loss,
                **values,
            ),
            7.0,
        )

    def epoch(
        self, phase: str, epoch: int, loss: float, top1: float, bad: int = 0, **more: Any
    ) -> "Script":
        """Add a whole epoch: six progress events, then its end."""
        for step in range(21, 127, 21):
            wave = 0.1 * loss * math.sin(step + epoch)
            self.progress(phase, epoch, step, loss * 1.15 + wave)
        values: dict[str, Any] = {
            "train_loss": loss * 1.1,
            "train_top1": max(0.0, top1 - 0.01),
            "val_loss": loss,
            "val_top1": top1,
            "val_top5": min(1.0, top1 + 0.004),
            "macro_f1": max(0.0, top1 - 0.002),
            "balanced_accuracy": max(0.0, top1 - 0.001),
            "lr": 1e-3,
            "next_lr": 1e-3,
            "best": bad == 0,
            "phase_best": bad == 0,
            "patience": 5,
            "monitor_best": loss,
            "scheduler_bad_epochs": bad,
        }
        values.update(more)
        return self.add(
            ev.EpochEnded(
                phase=phase,
                epoch=epoch,
                global_step=self.global_step,
                seconds=48.0,
                min_delta=0.001,
                bad_epochs=bad,
                images_per_second=2310.0,
                data_wait=0.03,
                **values,
            )
        )

    def head(self, epochs: int = 8) -> "Script":
        """Add phase head from its first step to early stopping."""
        self.phase("head", 30)
        for number in range(1, epochs + 1):
            loss = 0.9 * math.exp(-number / 2) + 0.03
            accuracy = 0.9968 - 0.5 * math.exp(-number / 1.3)
            self.epoch("head", number, loss, accuracy)
        return self.add(
            ev.PhaseEnded(
                phase="head",
                reason="early stopping",
                epochs=epochs,
                seconds=48.0 * epochs,
                best_epoch=epochs,
                best_val_top1=accuracy,
                best_val_loss=loss,
            )
        )

    def gpu(self) -> "Script":
        return self.add(
            ev.DeviceSample(
                device="cuda:0",
                name="NVIDIA H200",
                allocated=48_100_000_000,
                reserved=51_000_000_000,
                peak=58_900_000_000,
                total=139_000_000_000,
                others=13_100_000_000,
                utilization=0.97,
                temperature=61.0,
                power=612.4,
                power_limit=700.0,
                host_cpu=0.45,
                host_used=41_000_000_000,
                host_total=128_000_000_000,
                process_rss=9_300_000_000,
            )
        )

    def four_gpus(self) -> "Script":
        """Add four ranks on two hosts; rank 2 is slow."""
        for rank, waits in enumerate((0.21, 0.2, 0.02, 0.19)):
            self.add(
                ev.DeviceSample(
                    device=f"cuda:{rank % 2}",
                    name="NVIDIA H200",
                    rank=rank,
                    host=f"node{rank // 2 + 1}",
                    reserved=51_000_000_000 + rank * 100_000_000,
                    total=139_000_000_000,
                    utilization=0.91,
                    waits=waits,
                )
            )
        return self

    def host_only(self) -> "Script":
        return self.add(
            ev.DeviceSample(
                device="cpu",
                host_cpu=0.93,
                host_used=5_100_000_000,
                host_total=16_000_000_000,
                process_rss=1_300_000_000,
                note="no NVIDIA driver on this machine",
            )
        )

    def command(self, name: str, note: str, **more: Any) -> "Script":
        return self.add(
            ev.CommandApplied(
                id=more.pop("id", "c1"),
                command=name,
                asked=self.time,
                phase=more.pop("phase", "full"),
                global_step=self.global_step,
                note=note,
                **more,
            )
        )


def ranks() -> Script:
    """Four ranks in phase full, restarted once."""
    script = running()
    script.add(
        ev.RunResumed(
            phase="full", epoch=3, step=0, global_step=900, checkpoint="last.pt", restart=True
        )
    )
    return script.four_gpus()


def running() -> Script:
    """A run in epoch 3 of phase full, after an epoch without improvement."""
    script = Script().prepare().head().phase("full", 10, lr=1e-4).gpu()
    script.epoch("full", 1, 0.0301, 0.9937, best=False, phase_best=True, lr=1e-4, next_lr=1e-4)
    script.command("SetPatience", "patience 7 → 5", arguments={"patience": 5})
    more = {"best": False, "phase_best": False, "monitor_best": 0.0301}
    script.epoch("full", 2, 0.0325, 0.9931, bad=1, lr=1e-4, next_lr=1e-4, **more)
    script.progress("full", 3, 21, 0.03, lr=1e-4)
    script.progress("full", 3, 42, 0.21, lr=1e-4)
    return script.progress("full", 3, 77, 0.028, lr=1e-4)


def paused() -> Script:
    return running().add(ev.Paused(global_step=1000))


def finished() -> Script:
    script = running()
    script.add(
        ev.PhaseEnded(
            phase="full",
            reason="early stopping",
            epochs=2,
            seconds=96.0,
            best_epoch=1,
            best_val_top1=0.9937,
            best_val_loss=0.0301,
        )
    )
    script.add(
        ev.CheckpointSaved(
            path="checkpoints/best.pt", kind="best", bytes=10, seconds=0.1, global_step=1
        )
    )
    return script.add(
        ev.RunEnded(
            outcome="finished",
            reason="both phases are done",
            best_val_top1=0.9968,
            best_phase="head",
            best_epoch=8,
            seconds=1000.0,
        )
    )


def failed() -> Script:
    return running().add(
        ev.RunEnded(outcome="failed", reason="no space left on the disk: /data/runs/animals20")
    )


def with_nan() -> Script:
    script = Script().prepare().phase("head", 30).host_only()
    script.epoch("head", 1, 0.9, 0.5)
    script.progress("head", 2, 21, math.nan)
    script.add(ev.Warned(code="nonfinite-loss", message="the loss is nan", files=["a[b]/x.png"]))
    return script.epoch("head", 2, math.nan, 0.05, bad=1, monitor_best=0.9)


def preparing() -> Script:
    script = Script()
    return script.add(ev.Preparing(stage="reading images", done=1240, total=8966))
