"""What the benchmarks count with; nothing is timed here."""

import importlib
import os
import pkgutil
import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import torch

import tests.benchmarks
from core.config.key_docs import all_keys
from core.data.split import scan_folder
from core.events.record import Record
from core.events.types import EpochEnded, Progress
from core.run.folder import RunFolder
from tests.benchmarks.accuracy import __main__ as accuracy
from tests.benchmarks.accuracy import contender, images, own, results
from tests.benchmarks.accuracy.task import Outcome, PhaseOutcome, Task, epochs_within
from tests.benchmarks.common import Table, in_turn, ratios, spread
from tests.benchmarks.program import speed
from tests.benchmarks.screen import Chunk, visible
from tests.make_images import make_images
from tests.tui import scripted

MODULES = [
    found.name
    for found in pkgutil.walk_packages(tests.benchmarks.__path__, "tests.benchmarks.")
    if not found.name.endswith(("fastai_learner", "lightning_trainer"))  # extra bench
]


@pytest.mark.parametrize("name", MODULES)
def test_every_benchmark_still_fits_the_program(name: str) -> None:
    importlib.import_module(name)


def progress(time: float, step: int, stage: str = "train", epoch: int = 1) -> Record:
    event = Progress(
        phase="full",
        epoch=epoch,
        stage=stage,
        step=step,
        steps=100,
        global_step=100 * (epoch - 1) + step,
        loss=1.0,
        top1=0.5,
        lr=1e-4,
        seconds=1.0,
        images_per_second=40.0,
        data_wait=0.25,
    )
    return Record(step, time, event)


def test_speed_leaves_out_what_lies_between_two_training_passes() -> None:
    records = [
        progress(10.0, 1),
        progress(12.0, 21),
        progress(13.0, 1, "val"),
        progress(20.0, 1, epoch=2),
        progress(21.0, 11, epoch=2),
    ]
    found = speed(records)
    assert (found.steps, found.steps_per_second) == (30, 10.0)
    assert (found.images_per_second, found.data_wait) == (40.0, 0.25)
    assert speed(records, begin=20.0).steps == 10
    with pytest.raises(ValueError, match="longer"):
        speed(records, begin=20.5)


def test_speed_reads_a_real_journal() -> None:
    records = scripted.finished().records
    assert any(isinstance(record.event, EpochEnded) for record in records)
    assert speed(records).steps > 0


def test_no_two_rounds_in_a_row_have_the_same_order() -> None:
    orders = [in_turn("abc", number) for number in range(6)]
    assert all(sorted(order) == ["a", "b", "c"] for order in orders)
    assert all(a != b for a, b in pairwise(orders))
    assert {order[0] for order in orders} == {"a", "b", "c"}


def test_ratios_are_those_of_a_round() -> None:
    assert ratios([2.0, 9.0, 4.0], [1.0, 3.0, 4.0]) == [2.0, 3.0, 1.0]
    assert spread([2.0, 3.0, 1.0], 1) == "2.0 (1.0 to 3.0)"


def test_a_table_is_aligned() -> None:
    table = Table("title", ["", "s"])
    table.add("this program", "1.5")
    assert str(table).splitlines() == [
        "title",
        "                s",
        "------------  ---",
        "this program  1.5",
    ]


def test_only_what_is_drawn_is_visible() -> None:
    drawn = b"\x1b[?1049h\x1b]0;title\x07\x1b[1;1H\x1b[38;2;1;2;3mconv\x1b[0mnext\x1b[?2026$p"
    assert visible([Chunk(0.0, drawn[:20]), Chunk(0.1, drawn[20:])]) == "convnext"


def trained(full: Sequence[float], cpu: float, head: Sequence[float] = ()) -> Outcome:
    phases = {"head": PhaseOutcome([*head], 4.0, 5.0)} if head else {}
    return {**phases, "full": PhaseOutcome([*full], 2 * cpu, cpu)}


def task(data: Path, **changes: object) -> Task:
    values = {"data": str(data), "weights": None, "model": "test_convnext", "epochs": 1, "seed": 1}
    return Task(**{**values, "image_size": 32, "batch_size": 16, **changes})


def test_the_earlier_defaults_are_stated_key_by_key() -> None:
    others = {"data.augment.", "phases.", "clip_", "nonfinite", "data.balance", "data.batch_size"}
    recipe = {key for key in all_keys() if key.startswith(tuple(others))}
    assert recipe <= own.PREVIOUS.keys() <= {*all_keys()}


def test_every_recipe_and_ablation_is_a_valid_configuration(tmp_path: Path) -> None:
    options = accuracy._checked(accuracy._parser(), ["--ablate"])
    ablations = accuracy.contenders(options)
    options = accuracy._checked(accuracy._parser(), ["--contenders", "previous,notebook"])
    found = [*ablations, *accuracy.contenders(options)]
    digests = {one.label: one.digest(task(tmp_path)) for one in found}
    assert len(digests) == len(found) > 10
    assert digests["notebook"] != digests["default"] != digests["default, no clipping"]
    assert digests["default"] == accuracy.Own("default").digest(task(tmp_path, seed=2, epochs=7))


def test_a_limit_reduces_only_training_images_by_seed(tmp_path: Path) -> None:
    root = make_images(tmp_path / "images", classes=2, per_class=10)

    def laid_out(name: str, seed: int, limit: int) -> dict[str, set[Path]]:
        folder = images.lay_out(root, tmp_path / name, seed, limit, scan_folder)
        return {
            split: {file.resolve() for file in (folder / split).glob("*/*")}
            for split in ("train", "val")
        }

    whole, limited = laid_out("whole", 1, 0), laid_out("limited", 1, 5)
    assert (len(whole["train"]), len(whole["val"]), len(limited["train"])) == (16, 4, 10)
    assert limited["train"] < whole["train"] and limited["val"] == whole["val"]
    assert laid_out("again", 1, 5) == limited
    other = laid_out("other seed", 2, 5)
    assert other["val"] != limited["val"] and other["train"] != limited["train"]


def test_a_budget_of_time_pays_for_the_head_and_whole_epochs() -> None:
    assert epochs_within(20.0, trained([0.5, 0.6], cpu=6.0)) == 7
    assert epochs_within(19.0, trained([0.5, 0.6], cpu=6.0)) == 6
    assert epochs_within(20.0, trained([0.5, 0.6], cpu=6.0, head=[0.4])) == 5
    assert epochs_within(1.0, trained([0.5, 0.6], cpu=6.0)) == 1


def test_a_comparison_is_continued_and_printed_from_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs: list[tuple[str, int, int]] = []

    def train(self: accuracy.Contender, work: Task, folder: Path) -> Outcome:
        runs.append((self.label, work.seed, work.epochs))
        if self.label == "timm":
            return trained([0.5 + 0.1 * work.seed] * work.epochs, cpu=2.0 * work.epochs)
        return trained([0.8, 0.7], cpu=10.0, head=[0.3, 0.4])

    for kind in (accuracy.Own, accuracy.Peer):
        monkeypatch.setattr(kind, "train", train)
    file = tmp_path / "results.jsonl"
    make_images(tmp_path / "flowers")
    where = ["--data", str(tmp_path / "flowers"), "--json", str(file), "--resume"]
    call = [*where, "--contenders", "timm,default", "--seeds", "1,2", "--epochs", "2"]
    assert accuracy.main(call) == 0
    seed = [("default", 1, 2), ("timm", 1, 2), ("timm", 1, 8)]  # 15 s of CPU time, 2 s per epoch
    assert runs == [*seed, *((name, 2, epochs) for name, _, epochs in seed)]
    printed = capsys.readouterr().out
    row = printed[printed.index("equal epochs") :].splitlines()[3].split("  ")
    cells = [cell.strip() for cell in row if cell]
    assert cells[:4] == ["default", "2", "2", "80.00 ± 0.00"]
    assert cells[4:8] == ["70.00 ± 0.00", "–", "+15.00 ± 7.07", "–"]

    runs.clear()
    torn = file.read_bytes()[:-20]
    file.write_bytes(torn)
    assert accuracy.main(call) == 0
    assert runs == [("timm", 2, 8)]
    assert len(results.read(file)) == 8
    assert capsys.readouterr().out == printed
    assert accuracy.main(["--table", str(file)]) == 0
    assert capsys.readouterr().out == printed


def test_a_run_of_this_program_is_measured_until_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = scripted.finished().records

    class Ended:
        def __init__(self, *arguments: object, **options: object) -> None:
            self.process = subprocess.Popen(["true"])
            os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
            self.folder = RunFolder(tmp_path)
            lines = "".join(record.to_json() + "\n" for record in records)
            self.folder.journal.write_text(lines)

        def finish(self) -> None:
            self.process.wait()

    monkeypatch.setattr(own, "Run", Ended)
    found = accuracy.Own("default").train(task(tmp_path), tmp_path / "work")
    epochs = [record.event for record in records if isinstance(record.event, EpochEnded)]
    assert [*found] == ["head", "full"]
    assert [*found["head"].val_top1, *found["full"].val_top1] == [e.val_top1 for e in epochs]
    assert all(phase.seconds > 0 for phase in found.values())


@pytest.mark.parametrize(("name", "phases"), [("timm", ["full"]), ("fastai", ["head", "full"])])
def test_a_peer_trains_on_all_images(name: str, phases: list[str], tmp_path: Path) -> None:
    pytest.importorskip(name)
    root = make_images(tmp_path / "images", classes=2, per_class=6)
    folder = images.lay_out(root, tmp_path / "split", 1, 0, scan_folder)
    threads = torch.get_num_threads()
    try:
        wanted = task(folder, epochs=2, batch_size=64, workers=0, threads=1)
        found = contender.train(name, wanted)
    finally:
        torch.set_num_threads(threads)
    assert [*found] == phases and len(found["full"].val_top1) == 2
    (folder / "val" / "class_0" / "more.txt").touch()
    with pytest.raises(ValueError, match="images for train and val"):
        contender.train(name, task(folder))
