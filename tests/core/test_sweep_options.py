"""Ranges and options of sweeps: parsed, written, refused."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.common.errors import SetupError
from core.config.schema import Config
from core.study.definition import SWEEP, create_study
from core.study.sweep import options as options_module
from core.study.sweep.objective import OBJECTIVES, objective_of
from core.study.sweep.options import parse_sweep, sweep_of, sweep_options
from core.study.sweep.ranges import SweptKey, parse_range
from core.study.sweep.spec_file import spec_arguments
from tests.core.engine_kit import small_config

LR = "phases.head.lr"
POSITIVE = st.floats(1e-12, 1e12, allow_subnormal=False)
CHOICES = st.lists(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("abc_.[]:1 ", min_size=1),
    min_size=2,
    max_size=5,
)  # fmt: skip


@pytest.fixture(scope="module")
def config(photos: Path) -> Config:
    return small_config(photos, "name=few")


@given(st.sampled_from([st.integers(-(10**9), 10**9), POSITIVE]).flatmap(lambda n: st.tuples(n, n)))
def test_a_range_of_numbers_is_parsed_as_it_is_written(ends: Any) -> None:
    low, high = sorted(ends)
    written = f"{low!r}..{high!r}"
    if low == high:
        with pytest.raises(SetupError, match="is empty"):
            parse_range("k", written)
        return
    parsed = parse_range("k", written)
    assert (parsed.low, parsed.high, type(parsed.low)) == (low, high, type(low))
    assert parse_range("k", parsed.text) == parsed
    if low > 0:
        logarithmic = parse_range("k", f"{written}:log")
        assert logarithmic.is_log
        assert parse_range("k", logarithmic.text) == logarithmic


@given(st.integers(-1000, 1000), st.integers(1, 50), st.integers(1, 40), st.integers(0, 3))
def test_a_range_with_a_step_has_all_its_values(
    low: int, step: int, count: int, digits: int
) -> None:
    scale = 10**digits
    first, size = (low, step) if digits == 0 else (low / scale, step / scale)
    beyond = low + count * step + step // 2
    last = beyond if digits == 0 else beyond / scale
    parsed = parse_range("k", f"{first!r}..{last!r}:{size!r}")
    assert parse_range("k", parsed.text) == parsed
    grid = parsed.grid
    assert grid is not None
    assert len(grid) == parsed.count == count + 1
    expected = [low + n * step for n in range(count + 1)]
    assert grid == (expected if digits == 0 else [value / scale for value in expected])
    assert grid[-1] == parsed.high


@given(CHOICES)
def test_a_list_is_parsed_as_it_is_written(values: list[Any]) -> None:
    try:
        parsed = parse_range("k", values)
    except SetupError as error:
        assert "twice" in str(error)
        return
    assert parsed.choices == tuple(values)
    again = parse_range("k", parsed.text)
    assert again == parsed
    assert list(map(type, again.choices)) == list(map(type, values))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-5..1e-3:log", SweptKey("k", 1e-5, 1e-3, is_log=True)),
        ("1..8", SweptKey("k", 1, 8)),
        (" 16 .. 64 : 16 ", SweptKey("k", 16, 64, 16)),
        ("0..1:0.25", SweptKey("k", 0.0, 1.0, 0.25)),
        ("-1...5", SweptKey("k", -1.0, 5.0)),
        ("[a, b]", SweptKey("k", choices=("a", "b"))),
        ("[true,false]", SweptKey("k", choices=(True, False))),
        ("[null, 0.99]", SweptKey("k", choices=(None, 0.99))),
    ],
)
def test_ranges(text: str, expected: SweptKey) -> None:
    assert parse_range("k", text) == expected


@pytest.mark.parametrize(
    ("ranges", "more", "problem"),
    [
        ({}, {}, "at least one config key"),
        ({"phases.head.lrr": "1..2"}, {}, "unknown key 'phases.head.lrr'; did you mean"),
        ({"phases.head": "1..2"}, {}, "phases.head is a group of keys"),
        ({"name": "[a, b]"}, {}, "the study sets this key itself"),
        ({"study": "[a, b]"}, {}, "the study sets this key itself"),
        ({LR: "0.1"}, {}, "'0.1' is not a range; expected LOW..HIGH"),
        ({LR: "0.1..abc"}, {}, "is not a range"),
        ({LR: 0.1}, {}, "0.1 is not a range"),
        ({LR: "0.1..0.01"}, {}, "is empty; the first number must be lower"),
        ({LR: "0..0.1:log"}, {}, "is logarithmic and must be above 0"),
        ({LR: "0.1..0.2:lug"}, {}, "ends with 'lug'; expected a step above 0, or log"),
        ({LR: "0.1..0.2:0"}, {}, "expected a step above 0"),
        ({LR: "0.1..0.2:0.5"}, {}, "is larger than its range"),
        ({LR: "1..1e999"}, {}, "is not finite"),
        ({LR: "[0.1]"}, {}, "the list has one value"),
        ({LR: "[]"}, {}, "the list has no value"),
        ({LR: "[0.1, 0.1]"}, {}, "the list contains 0.1 twice"),
        ({LR: "[[0.1], 2]"}, {}, "is not a single value"),
        ({LR: "0..0.1"}, {}, "phases.head.lr is 0.0; expected a number above 0"),
        ({"phases.head.label_smoothing": "0..1"}, {}, "label_smoothing is 1; expected a number"),
        ({"phases.head.epochs": "1..8.5"}, {}, "phases.head.epochs is 1.0; expected a whole"),
        ({"model.pretrained": "[true, maybe]"}, {}, "expected true or false"),
        ({"phases.head.epochs": "0..2", "phases.full.epochs": "0..2"}, {}, "nothing to train"),
        ({LR: "0.1..1"}, {"trials": None}, "--sampler tpe needs --trials N"),
        ({LR: "0.1..1"}, {"trials": 0}, "--trials is 0; expected 1 to 10,000"),
        ({LR: "0.1..1"}, {"trials": 10_001}, "--trials is 10,001"),
        ({LR: "[0.1, 1]"}, {"trials": 3}, "only 2 combinations: use --sampler grid"),
        ({LR: "0.1..1"}, {"sampler": "grid"}, "phases.head.lr is 0.1..1.0: give a step or a list"),
        ({LR: "1..8:log"}, {"sampler": "grid"}, "give a step or a list"),
        ({LR: "[0.1, 1]"}, {"sampler": "grid", "trials": 1}, "has 2 trials, but --trials is 1"),
        ({LR: "[0.1, 1]"}, {"sampler": "grid", "trials": 3}, "has only 2 trials: omit --trials 3"),
        ({LR: "1..2:1e-5"}, {"sampler": "grid", "trials": None}, "has 100,001 trials, but at most"),
        ({LR: "0.1..1"}, {"sampler": "cmaes"}, "--sampler is 'cmaes'; expected tpe, random, grid"),
        ({LR: "0.1..1"}, {"pruner": "hyper"}, "--pruner is 'hyper'; expected none, median, halv"),
        ({LR: "0.1..1"}, {"objective": "lr"}, "--objective is 'lr'; expected train_loss, val_loss"),
    ],
)
def test_what_a_trial_would_refuse_is_refused_at_once(
    ranges: dict[str, object], more: dict[str, Any], problem: str, config: Config
) -> None:
    with pytest.raises(SetupError) as raised:
        sweep_options(config, ranges, **{"trials": 4, **more})
    assert problem in str(raised.value)
    assert "\n" not in str(raised.value)


def test_values_are_those_of_the_schema(config: Config, tmp_path: Path) -> None:
    ranges = {
        LR: "1..2",
        "phases.full.epochs": "1..8",
        "phases.head.weight_decay": "[0, 1]",
        "data.augment.auto_augment": "[null, rand-m9-mstd0.5]",
    }
    study = create_study(tmp_path, SWEEP, config, sweep_options(config, ranges, trials=4))
    keys = sweep_of(study).keys
    assert [repr(value) for value in keys[LR].ends] == ["1.0", "2.0"]
    assert keys["phases.full.epochs"].is_int
    decay = keys["phases.head.weight_decay"].choices
    assert [repr(value) for value in decay] == ["0.0", "1.0"]
    assert keys["data.augment.auto_augment"].choices == (None, "rand-m9-mstd0.5")


def test_a_grid_without_trials_is_complete(config: Config, tmp_path: Path) -> None:
    ranges = {LR: "[0.1, 0.2]", "phases.head.epochs": "1..3"}
    study = create_study(tmp_path, SWEEP, config, sweep_options(config, ranges, sampler="grid"))
    sweep = sweep_of(study)
    assert sweep.trials == 6
    combinations = [tuple(sweep.grid_values(n).values()) for n in range(1, 7)]
    assert combinations == [(lr, epochs) for lr in (0.1, 0.2) for epochs in (1, 2, 3)]


def test_each_objective_has_its_direction() -> None:
    assert {name: objective_of(name).maximize for name in OBJECTIVES} == {
        "train_loss": False,
        "val_loss": False,
        "train_top1": True,
        "val_top1": True,
        "val_top5": True,
        "macro_f1": True,
        "balanced_accuracy": True,
        "images_per_second": True,
    }
    assert objective_of("val_loss").label == "lowest val loss"
    assert objective_of("val_loss").best([0.5, 0.2, math.inf]) == 0.2


def test_a_missing_optuna_is_named(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options_module, "find_spec", lambda name: None)
    with pytest.raises(SetupError, match=r"needs optuna: pip install 'convnext-tui\[sweep\]'"):
        sweep_options(config, {LR: "0.1..1"}, trials=2)


@pytest.mark.parametrize("text", ["", "a", "=1..2", "a="])
def test_a_sweep_without_key_or_range_is_refused(text: str) -> None:
    with pytest.raises(SetupError, match="is not KEY=RANGE"):
        parse_sweep(text)


def test_a_file_stands_for_options(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(
        "config: quick\ndata: my photos\nseed: 3\noverrides:\n  data: {batch_size: 8}\n"
        "  data.value_range: [0, 4095]\n  clip_grad_norm: null\nsweep:\n"
        "  phases.head.lr: 1e-5..1e-3:log\n  model.name: [a, b]\ntrials: 20\npruner: median\n"
    )
    assert spec_arguments(path) == [
        *("--config=quick", "--data=my photos", "--seed=3", "--trials=20", "--pruner=median"),
        *("--set=data.batch_size=8", "--set=data.value_range=[0, 4095]"),
        *("--set=clip_grad_norm=null", "--sweep=phases.head.lr=1e-5..1e-3:log"),
        '--sweep=model.name=["a", "b"]',
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "expected the keys config, data"),
        ("sweep: {a: 1..2}\ntrails: 3\n", "unknown key 'trails'; did you mean trials?"),
        ("trials: 3\n", "sweep is missing"),
        ("sweep: 3\n", "sweep is not a group of config keys"),
        ("sweep: {a: 1..2}\ntrials: many\n", "trials is 'many'; expected a whole number"),
        ("sweep: {a: 1..2}\nsampler: true\n", "sampler is 'true'; expected text"),
        ("sweep: {a: 1..2", "not valid YAML"),
        (None, "can't be read: No such file or directory"),
    ],
)
def test_a_wrong_file_is_named(content: str | None, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SetupError) as raised:
        spec_arguments(path)
    assert str(raised.value).startswith(str(path))
    assert problem in str(raised.value)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"keys": {"phases.head.lr": "2..1"}}, "2..1' is empty"),
        ({"objective": "nothing"}, "study.yaml: unknown objective|study.yaml: .*nothing"),
        ({"sampler": "grid"}, "study.yaml: options.keys has a range without a grid"),
    ],
)
def test_an_edited_definition_is_refused(
    changed: dict[str, Any], said: str, photos: Path, tmp_path: Path
) -> None:
    config = small_config(photos)
    options = sweep_options(config, {"phases.head.lr": "1e-4..1e-1:log"}, trials=3)
    study = create_study(tmp_path, SWEEP, config, {**options, **changed})
    with pytest.raises(SetupError, match=said):
        sweep_of(study)
