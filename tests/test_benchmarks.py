"""What the benchmarks count with; nothing is timed here."""

import importlib
import pkgutil
from itertools import pairwise

import pytest

import tests.benchmarks
from core.events.record import Record
from core.events.types import EpochEnded, Progress
from tests.benchmarks.common import Table, in_turn, ratios, spread
from tests.benchmarks.program import speed
from tests.benchmarks.screen import Chunk, visible
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
