"""Forecasts of images, model size, memory and time of a configuration."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.common.errors import DataError
from core.config.load import load_config
from core.config.schema import Config
from core.data.assign import SplitOptions, split_counts, split_images
from core.data.scan import ImageFile
from core.events.types import DataReady, ModelReady
from core.forecast.forecast import DataSummary, duration, step_bytes, summarize_data
from core.forecast.model_info import ModelInfo, model_info, weights_cached, weights_problem
from core.forecast.model_probe import probe
from core.forecast.throughput_history import ThroughputHistory, find_throughput
from core.model.build import build_model
from core.run.run_list import RunList
from tests.core.run_kit import HEAD, STARTED, epoch, make_run
from tests.stages import slow_except

TINY = "test_convnext"


def folder(root: Path, **counts: int) -> Path:
    for name, count in counts.items():
        (root / name.replace("__", "/")).mkdir(parents=True)
        for number in range(count):
            (root / name.replace("__", "/") / f"{number}.png").write_bytes(b"")
    return root


@given(st.integers(3, 400), st.floats(0.01, 0.99), st.sampled_from([0.0, 0.01, 0.3, 0.9]))
def test_split_counts_equal_those_of_the_actual_split(count: int, val: float, test: float) -> None:
    images = [ImageFile(f"a/{n}", "a", "", "", 0, 0) for n in range(count)]
    splits = [image.split for image in split_images(images, SplitOptions(val, 3, test))]
    assert split_counts(count, val, test) == tuple(
        splits.count(s) for s in ("train", "val", "test")
    )


def test_summary_has_counts_and_problems_of_a_folder(tmp_path: Path) -> None:
    data = summarize_data(folder(tmp_path, cats=200, dogs=12, mice=1), 0.25)
    assert data is not None
    assert data.counts == {"cats": 200, "dogs": 12, "mice": 1}
    assert data.val == {"cats": 50, "dogs": 3, "mice": 0}
    assert not data.by_folders
    assert data.images == 213
    assert data.problems == [
        "mice has only one image; a split needs at least 2",
        "2 classes have fewer than 10 training images",
        "imbalance: the largest class has 200 times as many images as the smallest; "
        "see data.balance",
    ]


def test_train_and_val_folders_define_the_split(tmp_path: Path) -> None:
    root = folder(tmp_path, train__cats=40, train__dogs=30, val__cats=3, val__dogs=1)
    data = summarize_data(root, 0.5)
    assert data is not None
    assert data.by_folders
    assert (data.train, data.val) == ({"cats": 40, "dogs": 30}, {"cats": 3, "dogs": 1})
    assert data.problems == []


def test_a_folder_that_training_would_refuse_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="class folder without images"):
        summarize_data(folder(tmp_path, cats=3, dogs=0), 0.2)


def test_a_cancelled_count_returns_none(tmp_path: Path) -> None:
    assert summarize_data(folder(tmp_path, cats=3, dogs=3), 0.2, cancelled=lambda: True) is None


def test_probe_agrees_with_the_trained_model() -> None:
    """Parameters and saved activations of the meta device equal those of a real model."""
    info = probe(TINY, 64)
    config = load_config("default", [f"model.name={TINY}", "model.pretrained=false"]).model
    model, _ = build_model(config, classes=7, seed=1)
    assert info.problem == ""
    assert info.parameters_for(7) == sum(p.numel() for p in model.parameters())
    own = {p.data_ptr() for p in model.parameters()}
    saved: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.data_ptr() not in own:
            saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = model.train()(torch.zeros(1, 3, 64, 64))
        expected = sum(storage.nbytes() for storage in saved.values())
        del out
    assert info.activation_bytes == pytest.approx(expected, rel=0.05)


def test_an_unknown_model_is_a_problem() -> None:
    assert "is not a timm model; did you mean" in probe("convnext_tinny", 64).problem
    assert "model.name=local-dir:/nowhere" in probe("local-dir:/nowhere", 64).problem


@pytest.mark.parametrize("is_new", slow_except([False, True], False))
async def test_model_info_comes_from_a_process_and_is_cached(
    is_new: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if not is_new:
        request.getfixturevalue("forked_interpreter")
    monkeypatch.setenv("CONVNEXT_TUI_CACHE", str(tmp_path))
    (tmp_path / "core").mkdir()  # a local folder with the name of a package of this program
    (tmp_path / "core" / "__init__.py").write_text("raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    info = await model_info(TINY, 32)
    assert info == probe(TINY, 32)
    monkeypatch.setattr("core.forecast.model_info._probe", None)
    assert await model_info(TINY, 32) == info


def test_cached_weights_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    info = ModelInfo(url="elsewhere/weights.pth")
    assert not weights_cached(info)
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / "weights.pth").touch()
    assert weights_cached(info)
    assert not weights_cached(ModelInfo(hub_id="timm/there-is-no-such-model"))


@pytest.mark.parametrize(
    ("overrides", "info", "message"),
    [
        ([], ModelInfo(), "no pretrained weights for convnext_tiny"),
        ([], ModelInfo(hub_id="a/b"), ""),
        (["model.pretrained=false"], ModelInfo(), ""),
        (["model.weights=/no/such.pth"], ModelInfo(), "no such file: /no/such.pth"),
    ],
)
def test_unavailable_weights_are_a_problem(
    overrides: list[str], info: ModelInfo, message: str
) -> None:
    assert message in weights_problem(load_config("default", overrides).model, info)
    assert bool(message) == bool(weights_problem(load_config("default", overrides).model, info))


NO_EMA = "phases.full.ema=null"


def test_memory_of_a_training_step() -> None:
    info = ModelInfo(parameters=1_000_000, features=99, activation_bytes=1_000_000)
    config = load_config("default", ["data.batch_size=10", NO_EMA])
    adam = step_bytes(config, info, classes=1)
    assert adam == pytest.approx(1e6 * 4 * 4 + 1.2 * 10e6)
    assert step_bytes(config, info, classes=11) == pytest.approx(adam + 1000 * 4 * 4)
    micro = load_config("default", ["data.batch_size=10", NO_EMA, "data.micro_batch_size=5"])
    assert step_bytes(micro, info, classes=1) == pytest.approx(1e6 * 4 * 4 + 1.2 * 5e6)
    averaged = load_config("default", ["data.batch_size=10", "phases.full.ema=0.99"])
    assert step_bytes(averaged, info, classes=1) == pytest.approx(adam + 1e6 * 4)
    recomputed = load_config(
        "default", ["data.batch_size=10", NO_EMA, "model.grad_checkpointing=true"]
    )
    assert step_bytes(recomputed, info, classes=1) == pytest.approx(1e6 * 4 * 4 + 0.17 * 12e6)
    for override in ("data.batch_size=auto", "phases.full.epochs=0"):
        assert step_bytes(load_config("default", [override]), info, classes=1) is None


DATA = DataReady(
    root="/x",
    classes=["a", "b"],
    train=80,
    val=20,
    train_per_class={"a": 40, "b": 40},
    val_per_class={"a": 10, "b": 10},
)


def past_run(runs_dir: Path, config: Config, name: str, *seconds: float, device: str) -> None:
    """Write a run of phase `head` whose epochs took these seconds."""
    model = ModelReady(
        name=config.model.name,
        parameters=1,
        weights="none",
        device=device,
        device_name=device.upper(),
        precision="fp32",
    )
    epochs = [replace(epoch(n), seconds=s) for n, s in enumerate(seconds, 1)]
    started = replace(STARTED, name=name, config=config.model_dump())
    make_run(runs_dir, started, DATA, model, HEAD, *epochs, name=name)


def test_throughput_is_that_of_the_newest_similar_run(tmp_path: Path) -> None:
    config = load_config("default", ["phases.full.epochs=0", "phases.head.epochs=15", "device=cpu"])
    other = load_config("default", ["data.image_size=64", "device=cpu"])
    assert find_throughput(config, RunList(tmp_path)) is None
    past_run(tmp_path, config, "old", 50.0, 3.0, 1.0, 2.0, device="cpu")
    past_run(tmp_path, other, "small", 1.0, device="cpu")
    past_run(tmp_path, config, "on a GPU", 0.5, device="cuda:0")
    throughput = find_throughput(config, RunList(tmp_path))
    assert throughput == ThroughputHistory("old", "CPU", head_first=0.5, head_next=0.02, full=0.0)
    data = DataSummary({"a": 100, "b": 60}, {"a": 20, "b": 20}, by_folders=False)
    time = duration(config, data, throughput)
    assert time.head == pytest.approx(200 * (0.5 + 14 * 0.02))
    assert time.full == 0
    both = load_config("default", ["device=cpu"])
    assert find_throughput(both, RunList(tmp_path)) is None, "no run has measured phase full"


def test_folds_replace_the_fraction_for_validation(tmp_path: Path) -> None:
    data = summarize_data(folder(tmp_path, cats=20, dogs=11), 0.5, folds=5)
    assert data is not None
    assert (data.train, data.val) == ({"cats": 16, "dogs": 9}, {"cats": 4, "dogs": 2})
