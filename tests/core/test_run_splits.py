"""Splits of a run: test split, groups, a split from an earlier run, leaks."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from core.config.load import ConfigError, load_config
from core.data.verify_split import verify_split
from core.events import types as ev
from core.events.journal import replay
from core.session.engine_thread import EngineResult, EngineThread
from tests.core.engine_kit import small_config
from tests.core.test_check import folder, photo

QUICK = ("phases.head.epochs=1", "phases.full.epochs=0")


def train(root: Path, runs: Path, *overrides: str) -> tuple[EngineResult, EngineThread]:
    engine = EngineThread(small_config(root, *QUICK, *overrides), runs)
    engine.start()
    result = engine.join(120)
    assert result is not None
    return result, engine


def table(engine: EngineThread) -> pd.DataFrame:
    assert engine.folder is not None
    return pd.read_csv(engine.folder.split)


def events_of(engine: EngineThread, kind: type[ev.Event]) -> list[ev.Event]:
    assert engine.folder is not None
    return [r.event for r in replay(engine.folder.journal)[0] if isinstance(r.event, kind)]


def warnings(engine: EngineThread, code: str) -> list[ev.Warned]:
    return [e for e in events_of(engine, ev.Warned) if isinstance(e, ev.Warned) and e.code == code]


def test_test_split_is_not_trained_on(tmp_path: Path) -> None:
    root = folder(tmp_path / "photos", each=20)
    result, engine = train(root, tmp_path / "runs", "data.test_fraction=0.2")
    assert result.outcome == "finished"
    counts = table(engine).groupby(["class", "split"]).size().to_dict()
    for label in ("class_0", "class_1"):
        assert [counts[label, split] for split in ("train", "val", "test")] == [12, 4, 4]
    (ready,) = events_of(engine, ev.DataReady)
    assert isinstance(ready, ev.DataReady)
    assert (ready.train, ready.val, ready.test) == (24, 8, 8)


def test_duplicates_and_groups_stay_in_one_split(tmp_path: Path) -> None:
    root = folder(tmp_path / "photos", each=20)
    for label in range(2):
        inside = root / f"class_{label}"
        for number in range(6):
            shutil.copy(inside / f"{number:02d}.png", inside / f"copy {number:02d}.png")
        for number in range(6, 12):
            (inside / f"{number:02d}.png").rename(inside / f"p{number // 2}_{number:02d}.png")
    _, engine = train(root, tmp_path / "runs", r"data.group=(p\d+)_", "data.val_fraction=0.4")
    split_of = dict(table(engine)[["path", "split"]].itertuples(index=False))
    for label in range(2):
        for number in range(6):
            one = f"class_{label}/{number:02d}.png"
            assert split_of[one] == split_of[f"class_{label}/copy {number:02d}.png"]
    for patient in (3, 4, 5):
        assert len({split for path, split in split_of.items() if f"/p{patient}_" in path}) == 1


def test_split_of_an_earlier_run_is_reused(tmp_path: Path) -> None:
    root = folder(tmp_path / "photos", each=12)
    _, first = train(root, tmp_path / "runs")
    assert first.folder is not None
    held = set(table(first).query("split == 'val'")["path"])
    val = sorted(held)[0]
    shutil.copy(root / val, root / "class_1" / "copy of a val image.png")
    photo(77).save(root / "class_1" / "new.png")
    _, second = train(root, tmp_path / "runs", f"data.split={first.folder.split}", "seed=5")
    split_of = dict(table(second)[["path", "split"]].itertuples(index=False))
    assert {path for path, split in split_of.items() if split == "val"} == {
        *held,
        "class_1/copy of a val image.png",
    }
    assert split_of["class_1/new.png"] == "train"
    (warned,) = warnings(second, "data")
    assert "2 new (class_1/copy of a val image.png, class_1/new.png)" in warned.message


def test_new_near_duplicate_of_a_val_image_is_found_without_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = folder(tmp_path / "photos", each=12)
    _, engine = train(root, tmp_path / "runs")
    assert engine.folder is not None
    val = sorted(table(engine).query("split == 'val'")["path"])[0]
    Image.open(root / val).resize((70, 70)).save(root / "class_0" / "scaled.jpg", quality=90)
    monkeypatch.setenv("CONVNEXT_TUI_CACHE", str(tmp_path / "empty"))
    checked = verify_split(root, engine.folder.split, lambda done, total: None, lambda: False)
    assert checked is not None
    assert "class_0/scaled.jpg" in {image.path for image in checked[0].val}


def test_image_in_two_classes_is_a_warning(tmp_path: Path) -> None:
    root = folder(tmp_path / "photos", each=12)
    shutil.copy(root / "class_0" / "00.png", root / "class_1" / "again.png")
    result, engine = train(root, tmp_path / "runs")
    assert result.outcome == "finished"
    (warned,) = warnings(engine, "leak")
    assert warned.files == ["class_0/00.png", "class_1/again.png"]
    assert "2 images with near-duplicates in another split or class" in warned.message


@pytest.mark.parametrize("option", ["data.group=x", "data.test_fraction=0.1"])
@pytest.mark.parametrize("by", ["folders", "split.csv"])
def test_split_options_are_refused_for_a_given_split(tmp_path: Path, option: str, by: str) -> None:
    root = tmp_path / "photos"
    options = [option]
    if by == "folders":
        for split in ("train", "val"):
            folder(root / split, each=3)
    else:
        folder(root, each=3)
        options.append(f"data.split={tmp_path / 'split.csv'}")
    result, _ = train(root, tmp_path / "runs", *options)
    assert result.exit_code == 2
    assert option.split("=")[0] in result.reason


@pytest.mark.parametrize(
    ("override", "allowed"),
    [
        ("data.group=(", "a regular expression or null"),
        ("data.background=cheese", "a color name or #rrggbb"),
        ("data.test_fraction=1.0", "a number from 0 below 1"),
    ],
)
def test_invalid_values_are_refused_with_what_is_allowed(override: str, allowed: str) -> None:
    with pytest.raises(ConfigError, match=f"expected {allowed}"):
        load_config("default", [override])
