"""A run records its value range, and resuming, prediction and caches use it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core import Predictor, load_run
from core.config.schema import Config
from core.data.loading.dataset import SampleKey
from core.data.loading.loader import make_datasets
from core.data.split import DataPlan, SplitOptions, plan_data
from core.events import types as ev
from core.events.journal import replay
from core.run.folder import RunFolder
from core.session.engine_thread import EngineThread
from core.session.resume import plan_resumption
from core.training.checkpoints.file import read_checkpoint, write_checkpoint
from tests.core.engine_kit import small_config
from tests.odd_images import bits, make_depths, png, scene, tiff


def datasets(plan: DataPlan, config: Config) -> Any:
    transform = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "interpolation": "bicubic"}
    return make_datasets(config, plan, {**transform, "crop_pct": 1.0, "crop_mode": "center"})[1]


def test_the_image_cache_depends_on_the_range(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVNEXT_TUI_CACHE", str(tmp_path / "cache"))
    root = make_depths(tmp_path / "photos", "12-bit", each=3)
    config = small_config(root, "data.decode_once=true")
    plan = plan_data(root, SplitOptions(0.34, 1))
    assert plan is not None
    found = []
    for ranges in ({"uint16": [0, 4095]}, {"uint16": [0, 65535]}, None, {"uint16": [0, 4095]}):
        data = datasets(replace(plan, value_ranges=ranges), config)
        found.append(data[SampleKey("head", 0, 0)].image.numpy())
    assert (found[0] == found[3]).all()
    assert (found[1] == found[2]).all()
    assert found[0].max() > 200 > found[1].max()
    assert len(list((tmp_path / "cache" / "pictures").iterdir())) == 3


def train(root: Path, runs: Path, *overrides: str) -> EngineThread:
    engine = EngineThread(small_config(root, "data.decode_once=true", *overrides), runs)
    engine.start()
    result = engine.join()
    assert result is not None
    assert result.outcome == "finished", result.reason
    return engine


def resume(folder: RunFolder, *overrides: str) -> EngineThread:
    resumption = plan_resumption(folder, overrides, accept_data_changes=True)
    engine = EngineThread(resumption.config, folder.path.parent, resumption=resumption)
    engine.start()
    result = engine.join()
    assert result is not None
    assert result.outcome == "finished", result.reason
    return engine


def events(folder: RunFolder, kind: type[Any]) -> list[Any]:
    return [r.event for r in replay(folder.journal)[0] if isinstance(r.event, kind)]


@pytest.fixture(scope="module")
def deep_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_depths(tmp_path_factory.mktemp("deep"), "12-bit", each=8)


@pytest.fixture(scope="module")
def deep_run(deep_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = train(deep_photos, tmp_path_factory.mktemp("runs")).folder
    assert folder is not None
    return folder


def test_a_run_reports_and_records_the_range(deep_run: RunFolder) -> None:
    (ready,) = events(deep_run, ev.DataReady)
    assert ready.value_ranges == {"uint16": [0, 4095]}
    chosen = [e for e in events(deep_run, ev.Chosen) if e.what == "data.value_range"]
    assert [e.value for e in chosen] == ["0 to 4,095"]
    assert chosen[0].reason == "16 16-bit images with values from 0 to 4,095"
    content = read_checkpoint(deep_run.checkpoints / "best.pt")
    assert content["transform"]["value_ranges"] == {"uint16": [0, 4095]}


def test_prediction_uses_the_range_of_the_run(
    deep_run: RunFolder, deep_photos: Path, tmp_path: Path
) -> None:
    predictor = Predictor(load_run(deep_run.path), device="cpu")
    plan = plan_data(deep_photos, SplitOptions(0.25, 1))
    assert plan is not None
    dark = tmp_path / "dark.png"
    dark.write_bytes(png(bits(0.1 * scene(0, 1, size=32), 12)))
    assert predictor.view(dark).max() == round(0.1 * 255)
    image = Image.open(dark)
    assert (predictor.view(image) == predictor.view(dark)).all()
    empty = Image.fromarray(np.full((40, 40), np.nan, np.float32))
    assert [one.error for one in predictor.stream([empty])] == [
        "none of its values is a finite number"
    ]
    assert predictor.values_note == ""
    bright, scores = tmp_path / "bright.png", tmp_path / "scores.tif"
    bright.write_bytes(png(bits(scene(0, 1), 16)))
    scores.write_bytes(tiff(scene(0, 1).astype(np.float32)))
    predictor.predict([bright, scores])
    assert predictor.values_note == (
        "1 image with values outside the run's value range, which are clipped; 1 image of a bit "
        "depth that the run was not trained on, each converted by its own values"
    )


def copied(deep_run: RunFolder, deep_photos: Path, tmp_path: Path) -> tuple[RunFolder, Path]:
    """Copy a run and its images, and let the copy refer to the copied images."""
    photos = Path(shutil.copytree(deep_photos, tmp_path / "photos"))
    folder = Path(shutil.copytree(deep_run.path, tmp_path / "runs" / deep_run.path.name))
    for name in ("config.yaml", "events.jsonl"):
        text = (folder / name).read_text("utf-8")
        (folder / name).write_text(text.replace(str(deep_photos), str(photos)), "utf-8")
    return RunFolder(folder), photos


def test_a_resumed_run_keeps_its_range(
    deep_run: RunFolder, deep_photos: Path, tmp_path: Path
) -> None:
    folder, photos = copied(deep_run, deep_photos, tmp_path)
    (photos / "class_0" / "bright.png").write_bytes(png(bits(scene(0, 99), 16)))
    (photos / "class_1" / "scores.tif").write_bytes(tiff((scene(1, 99) - 0.5).astype(np.float32)))
    resume(folder, "phases.full.epochs=3")
    ready = events(folder, ev.DataReady)[-1]
    assert ready.train + ready.val == 18
    assert ready.value_ranges == {"uint16": [0, 4095], "float32": [-0.5, 0.5]}


def test_a_run_from_before_there_were_ranges_stays_as_it_is(
    deep_run: RunFolder, deep_photos: Path, tmp_path: Path
) -> None:
    folder, photos = copied(deep_run, deep_photos, tmp_path)
    lines = []
    for line in folder.journal.read_text("utf-8").splitlines():
        record = json.loads(line)
        if record["type"] == "DataReady":
            del record["value_ranges"], record["left_out"]
        lines.append(json.dumps(record))
    folder.journal.write_text("\n".join(lines) + "\n", "utf-8")
    for file in folder.checkpoints.glob("*.pt"):
        content = read_checkpoint(file)
        del content["transform"]["value_ranges"]
        write_checkpoint(file, content)
    # A name that was none of an image then: not one more image now.
    shutil.copy(photos / "class_0" / "000.png", photos / "class_0" / "another")
    resume(folder, "phases.full.epochs=3")
    ready = events(folder, ev.DataReady)[-1]
    assert (ready.train + ready.val, ready.value_ranges) == (16, None)
    predictor = Predictor(load_run(folder.path), device="cpu")
    assert predictor.view(photos / "class_0" / "000.png").max() in (15, 16)
    content = read_checkpoint(folder.checkpoints / "last.pt")
    assert content["transform"]["value_ranges"] is None


def test_a_run_with_the_split_of_another_decides_for_itself(
    deep_run: RunFolder, deep_photos: Path, tmp_path: Path
) -> None:
    engine = train(deep_photos, tmp_path, f"data.split={deep_run.split}")
    assert engine.folder is not None
    (ready,) = events(engine.folder, ev.DataReady)
    assert ready.value_ranges == {"uint16": [0, 4095]}
    assert not events(engine.folder, ev.Warned)
