import csv
import io
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.analysis.compare import (
    ComparedRun,
    RunLabel,
    assign_colors,
    compared_run,
    config_differences,
    results,
)
from core.analysis.compare_curves import (
    ALIGNMENTS,
    comparison_curves,
    curve_points,
    unfreeze_x,
)
from core.analysis.compare_export import curves_csv, table_csv, to_plain
from core.events.record import Record
from core.run.state import fold
from tests.core.event_strategies import journals
from tests.tui import scripted

CURVES = {curve.key: curve for curve in comparison_curves()}
AXES = {axis.key: axis for axis in ALIGNMENTS}


def compared(script: scripted.Script, letter: str = "A", id: str = "x") -> ComparedRun:
    state = fold(script.records)
    return compared_run(state, RunLabel(id, state.name, letter, 0), "finished")


def long_and_short() -> list[ComparedRun]:
    long = scripted.Script("long", seed=1).prepare().head(8).phase("full")
    long.epoch("full", 1, 0.02, 0.9975)
    short = scripted.Script("short", seed=2, device="cuda").prepare().head(3).phase("full")
    short.epoch("full", 1, 0.03, 0.9937, best=False).epoch("full", 2, 0.4, 0.93, best=False, bad=1)
    return [compared(long, "A", "id-long"), compared(short, "B", "id-short")]


def test_each_figure_has_its_own_goal() -> None:
    rows = {row.key: row for row in results(long_and_short())}
    assert rows["best_val_top1"].winners == (True, False)
    assert rows["best_val_top1"].goal == "highest"
    assert rows["epochs_to_best"].values == (9, 3)
    assert rows["epochs_to_best"].winners == (False, True)
    assert rows["training_seconds"].winners == (False, True)
    assert rows["epochs"].winners == (False, False)
    assert rows["images_per_second"].winners == (False, False)  # equal


def test_non_finite_values_never_win() -> None:
    nan, good = compared(scripted.with_nan()), long_and_short()[0]
    for row in results([nan, good, compared(scripted.preparing())]):
        for value, won in zip(row.values, row.winners, strict=True):
            assert not won or (value is not None and math.isfinite(value))


def test_only_config_keys_that_differ_are_listed() -> None:
    assert {row.key: row.texts for row in config_differences(long_and_short())} == {
        "seed": ("1", "2"),
        "device": ("auto", "cuda"),
    }


@pytest.mark.parametrize(
    ("axis", "long", "short"),
    [
        ("epoch", [1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 4, 5]),
        ("unfreeze", [-7, -6, -5, -4, -3, -2, -1, 0, 1], [-2, -1, 0, 1, 2]),
        ("step", [126 * n for n in range(1, 10)], [126 * n for n in range(1, 6)]),
        ("time", [0.8 * n for n in range(1, 10)], [0.8 * n for n in range(1, 6)]),
    ],
)
def test_curves_are_aligned(axis: str, long: list[float], short: list[float]) -> None:
    runs = long_and_short()
    for run, wanted in zip(runs, (long, short), strict=True):
        xs = [x for x, _ in curve_points(run, CURVES["val_loss"], AXES[axis])]
        assert xs == pytest.approx(wanted)
    begins = [unfreeze_x(run, AXES[axis]) for run in runs]
    assert begins == pytest.approx(
        {"epoch": [8, 3], "unfreeze": [0, 0], "step": [1008, 378], "time": [6.4, 2.4]}[axis]
    )


def test_before_the_unfreeze_a_run_ends_at_zero() -> None:
    run = compared(scripted.Script("x").prepare().head(4))
    xs = [x for x, _ in curve_points(run, CURVES["val_top1"], AXES["unfreeze"])]
    assert xs == [-3, -2, -1, 0]
    assert unfreeze_x(run, AXES["unfreeze"]) is None


def test_series_within_epochs_are_interpolated() -> None:
    run = long_and_short()[0]
    for axis in ALIGNMENTS:
        xs = [x for x, _ in curve_points(run, CURVES["train_loss"], axis)]
        assert xs == sorted(xs)
        assert len(xs) > 9
    assert curve_points(run, CURVES["train_loss"], AXES["step"])[0][0] == pytest.approx(21)


@given(st.lists(st.text(max_size=5), min_size=1, max_size=8, unique=True), st.randoms())
def test_colors_are_stable_and_distinct(ids: list[str], random: object) -> None:
    by_id = dict(zip(ids, assign_colors(ids), strict=True))
    assert len(set(by_id.values())) == len(ids)
    reverse = ids[::-1]
    assert dict(zip(reverse, assign_colors(reverse), strict=True)) == by_id


def test_the_csv_table_has_plain_numbers_and_winners() -> None:
    rows = list(csv.reader(io.StringIO(table_csv(long_and_short()))))
    assert rows[0] == ["kind", "key", "goal", "winner", "id-long", "id-short"]
    by_key = {row[1]: row for row in rows}
    assert by_key["best_val_top1"][2:5] == ["highest", "id-long", "0.9975"]
    assert by_key["device"] == ["config", "device", "", "", "auto", "cuda"]


def test_the_csv_curves_have_one_row_per_epoch_and_every_axis() -> None:
    rows = list(csv.DictReader(io.StringIO(curves_csv(long_and_short()))))
    assert len(rows) == 14
    first, last = rows[0], rows[-1]
    assert (first["run"], first["phase"], first["epoch"], first["letter"]) == (
        *("id-long", "head", "1"),
        "A",
    )
    assert (last["epoch_of_run"], last["global_step"], last["epochs_from_unfreeze"]) == (
        *("5", "630"),
        "2.0",
    )
    assert float(last["training_seconds"]) == 240
    assert float(last["val_top1"]) == 0.93


@given(st.lists(journals(), min_size=2, max_size=3))
def test_any_journal_can_be_compared(many: list[list[Record]]) -> None:
    runs = [
        compared_run(fold(records), RunLabel(f"id{number}", "n", "ABC"[number], number), "running")
        for number, records in enumerate(many)
    ]
    json.dumps(to_plain(runs), allow_nan=False)
    table_csv(runs)
    curves_csv(runs)
    for run in runs:
        for curve in comparison_curves():
            for axis in ALIGNMENTS:
                curve_points(run, curve, axis)
