import asyncio
import os
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.common.errors import DataError
from core.config.load import load_config
from core.config.schema import Config
from core.data.split import ImageFile, SplitOptions, split_counts, split_images
from core.events.types import DataReady, ModelReady
from core.forecast.forecast import DataSummary, duration, step_bytes, summarize_data
from core.forecast.model_info import ModelInfo, model_info, weights_cached, weights_problem
from core.forecast.model_probe import probe
from core.forecast.throughput_history import ThroughputHistory, find_throughput
from core.model.build import build_model
from core.run.run_list import RunList
from tests.core.run_kit import HEAD, STARTED, epoch, make_run

TINY = "test_convnext"


def folder(root: Path, **counts: int) -> Path:
    for name, count in counts.items():
        (root / name.replace("__", "/")).mkdir(parents=True)
        for number in range(count):
            (root / name.replace("__", "/") / f"{number}.png").write_bytes(b"")
    return root


@given(st.integers(3, 400), st.floats(0.01, 0.99), st.sampled_from([0.0, 0.01, 0.3, 0.9]))
def test_the_split_is_told_as_it_will_be(count: int, val: float, test: float) -> None:
    pictures = [ImageFile(f"a/{n}", "a", "", "", 0, 0) for n in range(count)]
    sides = [picture.split for picture in split_images(pictures, SplitOptions(val, 3, test))]
    assert split_counts(count, val, test) == tuple(sides.count(p) for p in ("train", "val", "test"))


def test_a_folder_is_counted_and_its_problems_are_named(tmp_path: Path) -> None:
    data = summarize_data(folder(tmp_path, cats=200, dogs=12, mice=1), 0.25)
    assert data is not None
    assert data.counts == {"cats": 200, "dogs": 12, "mice": 1}
    assert data.val == {"cats": 50, "dogs": 3, "mice": 0}
    assert not data.by_folders
    assert data.pictures == 213
    assert data.problems == [
        "mice has one picture only; being split takes 2",
        "2 classes have fewer than 10 training images",
        "imbalance: the largest class has 200 times as many images as the smallest; see data.balance",
    ]


def test_train_and_val_folders_decide(tmp_path: Path) -> None:
    root = folder(tmp_path, train__cats=40, train__dogs=30, val__cats=3, val__dogs=1)
    data = summarize_data(root, 0.5)
    assert data is not None
    assert data.by_folders
    assert (data.train, data.val) == ({"cats": 40, "dogs": 30}, {"cats": 3, "dogs": 1})
    assert data.problems == []


def test_what_training_would_refuse_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="class folder without images"):
        summarize_data(folder(tmp_path, cats=3, dogs=0), 0.2)


def test_a_count_that_nobody_waits_for_ends(tmp_path: Path) -> None:
    assert summarize_data(folder(tmp_path, cats=3, dogs=3), 0.2, cancelled=lambda: True) is None


def test_a_network_is_measured_without_building_it() -> None:
    """Parameters and what autograd saves agree with the network that is really trained."""
    facts = probe(TINY, 64)
    config = load_config("default", [f"model.name={TINY}", "model.pretrained=false"]).model
    model, _ = build_model(config, classes=7, seed=1)
    assert facts.problem == ""
    assert facts.parameters_for(7) == sum(p.numel() for p in model.parameters())
    own = {p.data_ptr() for p in model.parameters()}
    saved: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.data_ptr() not in own:
            saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = model.train()(torch.zeros(1, 3, 64, 64))
        really = sum(storage.nbytes() for storage in saved.values())
        del out
    assert facts.activation_bytes == pytest.approx(really, rel=0.05)


def test_a_network_that_is_none_is_a_problem() -> None:
    assert "is no model that timm knows; did you mean" in probe("convnext_tinny", 64).problem
    assert "model.name=local-dir:/nowhere" in probe("local-dir:/nowhere", 64).problem


async def test_facts_come_from_a_process_and_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVNEXT_TUI_CACHE", str(tmp_path))
    (tmp_path / "core").mkdir()  # a folder of the person's that is called like ours
    (tmp_path / "core" / "__init__.py").write_text("raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    facts = await model_info(TINY, 32)
    assert facts == probe(TINY, 32)
    monkeypatch.setattr("core.forecast.model_info._probe", None)
    assert await model_info(TINY, 32) == facts


async def test_a_look_that_is_cancelled_takes_its_process_along() -> None:
    looking = asyncio.create_task(model_info(TINY, 48))
    me = psutil.Process(os.getpid())
    while not any("core.forecast.model_probe" in child.cmdline() for child in me.children()):
        await asyncio.sleep(0)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    probes = [child for child in me.children() if "core.forecast.model_probe" in child.cmdline()]
    assert psutil.wait_procs(probes, timeout=20)[1] == []


def test_weights_at_hand_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    facts = ModelInfo(url="elsewhere/weights.pth")
    assert not weights_cached(facts)
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / "weights.pth").touch()
    assert weights_cached(facts)
    assert not weights_cached(ModelInfo(hub_id="timm/there-is-no-such-model"))


@pytest.mark.parametrize(
    ("overrides", "facts", "said"),
    [
        ([], ModelInfo(), "no pretrained weights for convnext_tiny"),
        ([], ModelInfo(hub_id="a/b"), ""),
        (["model.pretrained=false"], ModelInfo(), ""),
        (["model.weights=/no/such.pth"], ModelInfo(), "no such file: /no/such.pth"),
    ],
)
def test_weights_that_cannot_be_had(overrides: list[str], facts: ModelInfo, said: str) -> None:
    assert said in weights_problem(load_config("default", overrides).model, facts)
    assert bool(said) == bool(weights_problem(load_config("default", overrides).model, facts))


def test_the_memory_of_a_step() -> None:
    facts = ModelInfo(parameters=1_000_000, features=99, activation_bytes=1_000_000)
    config = load_config("default", ["data.batch_size=10"])
    adam = step_bytes(config, facts, classes=1)
    assert adam == pytest.approx(1e6 * 4 * 4 + 1.2 * 10e6)
    assert step_bytes(config, facts, classes=11) == pytest.approx(adam + 1000 * 4 * 4)
    parts = load_config("default", ["data.batch_size=10", "data.micro_batch_size=5"])
    assert step_bytes(parts, facts, classes=1) == pytest.approx(1e6 * 4 * 4 + 1.2 * 5e6)
    for override in ("data.batch_size=auto", "phases.full.epochs=0"):
        assert step_bytes(load_config("default", [override]), facts, classes=1) is None


DATA = DataReady(
    root="/x",
    classes=["a", "b"],
    train=80,
    val=20,
    train_per_class={"a": 40, "b": 40},
    val_per_class={"a": 10, "b": 10},
)


def past_run(runs_dir: Path, config: Config, name: str, *seconds: float, device: str) -> None:
    """A run of phase `head` whose epochs took so long."""
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


def test_the_pace_is_that_of_the_newest_run_alike(tmp_path: Path) -> None:
    config = load_config("default", ["phases.full.epochs=0", "device=cpu"])
    other = load_config("default", ["data.image_size=64", "device=cpu"])
    assert find_throughput(config, RunList(tmp_path)) is None
    past_run(tmp_path, config, "old", 50.0, 3.0, 1.0, 2.0, device="cpu")
    past_run(tmp_path, other, "small", 1.0, device="cpu")
    past_run(tmp_path, config, "on a GPU", 0.5, device="cuda:0")
    pace = find_throughput(config, RunList(tmp_path))
    assert pace == ThroughputHistory("old", "CPU", head_first=0.5, head_next=0.02, full=0.0)
    data = DataSummary({"a": 100, "b": 60}, {"a": 20, "b": 20}, by_folders=False)
    time = duration(config, data, pace)
    assert time.head == pytest.approx(200 * (0.5 + 14 * 0.02))
    assert time.full == 0
    both = load_config("default", ["device=cpu"])
    assert find_throughput(both, RunList(tmp_path)) is None, (
        "no run tells how long phase full takes"
    )
