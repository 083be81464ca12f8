"""Check of an image folder: report, and the cache of inspected contents."""

import io
import json
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.common.errors import DataError
from core.common.user_dirs import cache_dir
from core.data.assign import SplitOptions
from core.data.check import DataReport, check_data
from core.data.duplicates import near_duplicates
from core.data.image_folder import list_images
from core.data.inspect import inspect_image
from core.data.inspect_cache import ImageInfoCache
from core.data.scan import ImageFile, scan_images
from core.data.split import plan_data
from tests.make_images import make_images
from tui.text.data_check import report_text


def report(root: Path) -> DataReport:
    found = check_data(root)
    assert found is not None
    return found


def photo(seed: int, side: int = 96) -> Image.Image:
    """Return an image with large shapes, as in a photo."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return coarse.resize((side, side), Image.Resampling.BICUBIC)


def folder(root: Path, classes: int = 2, each: int = 12) -> Path:
    for label in range(classes):
        (root / f"class_{label}").mkdir(parents=True)
        for number in range(each):
            photo(100 * label + number).save(root / f"class_{label}" / f"{number:02d}.png")
    return root


def test_valid_folder_has_no_problems(tmp_path: Path) -> None:
    found = report(folder(tmp_path))
    assert found.problems == []
    assert found.images == 24
    assert found.classes == {"class_0": 12, "class_1": 12}
    assert found.sizes == {"smallest": [96, 96], "median": [96, 96], "largest": [96, 96]}
    assert (found.formats, found.modes) == ({"PNG": 24}, {"RGB": 24})


def test_every_kind_of_problem_is_reported(tmp_path: Path) -> None:
    root = folder(tmp_path)
    one, other = root / "class_0", root / "class_1"
    shutil.copy(one / "00.png", one / "copy of 00.png")
    shutil.copy(one / "01.png", other / "in two classes.png")
    photo(2).resize((60, 60)).save(one / "smaller.jpg", quality=70)
    photo(3).save(one / "a webp.jpg", format="WEBP", lossless=True)
    (one / "03.png").unlink()
    (other / "broken.png").write_bytes((other / "00.png").read_bytes()[:200])
    for name in ("._00.png", "Thumbs.db", "notes.txt"):
        (one / name).write_text("x")
    shutil.copytree(one, root / ".ipynb_checkpoints")
    (one / "vacant").mkdir()
    found = report(root)
    assert [item.path for item in found.damaged] == ["class_1/broken.png"]
    assert [(item.path, item.content) for item in found.mismatched] == [
        ("class_0/a webp.jpg", "webp")
    ]
    assert found.duplicates == [
        ["class_0/00.png", "class_0/copy of 00.png"],
        ["class_0/01.png", "class_1/in two classes.png"],
    ]
    assert found.near_duplicates == [["class_0/02.png", "class_0/smaller.jpg"]]
    assert found.leaks == [["class_0/01.png", "class_1/in two classes.png"]]
    assert {"class_0/._00.png", "class_0/Thumbs.db", "class_0/notes.txt"} <= set(found.ignored)
    assert ".ipynb_checkpoints/00.png" in found.ignored
    assert {item.path: item.reason for item in found.folders} == {
        ".ipynb_checkpoints": "hidden or system folder, skipped",
        "class_0/vacant": "empty",
    }
    assert len(found.problems) == 5


def test_duplicates_are_counted_as_files(tmp_path: Path) -> None:
    root = folder(tmp_path)
    for number in range(79):
        shutil.copy(root / "class_0" / "00.png", root / "class_0" / f"copy {number:02d}.png")
    shutil.copy(root / "class_1" / "01.png", root / "class_0" / "in two classes.png")
    photo(2).resize((60, 60)).save(root / "class_0" / "smaller.jpg", quality=70)
    found = report(root)
    assert found.problems == [
        "2 near-duplicates in 1 group across classes or splits",
        "82 identical files in 2 groups",
        "2 near-duplicates in 1 group",
    ]
    lines = report_text(found, 80).plain.splitlines()
    assert "near-duplicates across classes or splits: 2 in 1 group" in lines
    assert "identical files: 82 in 2 groups" in lines
    assert "near-duplicates: 2 in 1 group" in lines
    (first,) = (line for line in lines if "copy 00.png" in line)
    assert first.endswith("  and 70 more")


def test_duplicate_in_train_and_val_is_a_leak(tmp_path: Path) -> None:
    folder(tmp_path / "train")
    folder(tmp_path / "val", each=1)
    found = report(tmp_path)
    assert found.parts == {"train": 24, "val": 2}
    assert found.leaks == [
        [f"train/class_{label}/00.png", f"val/class_{label}/00.png"] for label in range(2)
    ]


def test_a_test_folder_is_compared_with_the_training_images(tmp_path: Path) -> None:
    folder(tmp_path / "train")
    other = make_images(tmp_path / "other", 2, 4, 48, seed=5)
    other.rename(tmp_path / "val")
    (tmp_path / "test" / "class_0").mkdir(parents=True)
    shutil.copy(tmp_path / "train/class_0/00.png", tmp_path / "test/class_0/copy.png")
    (tmp_path / "test" / "loose.png").write_text("damaged")
    found = report(tmp_path)
    assert found.parts == {"train": 24, "val": 8, "test": 1}
    assert ["test/class_0/copy.png", "train/class_0/00.png"] in found.leaks
    assert found.structure == ""
    assert [item.path for item in found.damaged] == ["test/loose.png"]


def test_imbalance_and_unreadable_classes_are_reported(tmp_path: Path) -> None:
    root = folder(tmp_path, classes=1, each=60)
    folder(tmp_path / "other", classes=1, each=3)
    (root / "other" / "class_0").rename(root / "few")
    (root / "other").rmdir()
    (root / "lost").mkdir()
    (root / "lost" / "a.png").write_text("x")
    notes = report(root).notes
    assert notes == [
        "lost has no readable images",
        "few has fewer than 10 training images",
    ]
    (root / "lost" / "a.png").unlink()
    (root / "lost").rmdir()
    assert (
        "imbalance: the largest class has 20 times as many images as the smallest; see data.balance"
        in report(root).notes
    )


def test_report_says_why_training_would_be_refused(tmp_path: Path) -> None:
    single = folder(tmp_path / "single")
    for number in range(1, 12):
        (single / "class_1" / f"{number:02d}.png").unlink()
    assert "'class_1' has 1 readable image; a split into train and val needs at least 2" in (
        report(single).structure
    )

    twins = folder(tmp_path / "twins")
    for number in range(1, 12):
        shutil.copy(twins / "class_1" / "00.png", twins / "class_1" / f"{number:02d}.png")
    structure = report(twins).structure
    assert "'class_1' has no images for val: its images are copies" in structure


def test_folder_without_classes_gets_a_report(tmp_path: Path) -> None:
    photo(1).save(tmp_path / "a.png")
    found = report(tmp_path)
    assert (found.images, found.classes) == (1, {})
    assert "has no class folders" in found.structure
    assert found.problems == [found.structure]


def test_copy_rotated_by_exif_is_a_near_duplicate(tmp_path: Path) -> None:
    root = folder(tmp_path, each=3)
    image = photo(1)
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    image.rotate(90, expand=True).save(root / "class_0" / "rotated.jpg", exif=exif, quality=95)
    assert report(root).near_duplicates == [["class_0/01.png", "class_0/rotated.jpg"]]


@pytest.mark.parametrize("change", ["brighter", "crop", "other"])
def test_similar_image_is_not_a_near_duplicate(tmp_path: Path, change: str) -> None:
    image = photo(5)
    changed = {
        "brighter": image.point(lambda value: min(255, value + 60)),
        "crop": image.crop((30, 30, 96, 96)),
        "other": photo(6),
    }[change]
    root = folder(tmp_path, classes=2, each=2)
    image.save(root / "class_0" / "image.png")
    changed.save(root / "class_0" / "changed.png")
    assert report(root).near_duplicates == []


def test_check_is_read_only(tmp_path: Path) -> None:
    root = folder(tmp_path / "photos", each=2)
    before = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in root.rglob("*")}
    report(root)
    assert {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in root.rglob("*")} == before


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONVNEXT_TUI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.usefixtures("own_cache")
def test_content_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder(tmp_path / "photos", each=3)
    (root / "class_0" / "bad.png").write_text("x")
    before = report(root)
    monkeypatch.setattr("core.data.inspect_cache.inspect_image", None)
    assert report(root) == before
    (root / "class_0" / "00.png").rename(root / "class_0" / "another name.png")
    plan = plan_data(root, SplitOptions(0.3, 1))
    assert plan is not None, "training uses the results of the check"
    assert [d.path for d in plan.damaged] == ["class_0/bad.png"]


def test_cached_infos_equal_the_originals(own_cache: Path, tmp_path: Path) -> None:
    root = make_images(tmp_path / "photos", classes=2, per_class=2)
    contents = [file.read_bytes() for file in sorted(root.rglob("*.png"))] + [b"", b"x"]
    with ImageInfoCache() as cache:
        infos = [cache.inspect(data) for data in contents]
    assert infos == [inspect_image(data) for data in contents]
    with ImageInfoCache() as cache:
        assert [cache.find(info.sha256) for info in infos] == infos


@pytest.mark.parametrize("damage", ["text", "folder", "other columns"])
def test_damaged_cache_is_ignored(own_cache: Path, damage: str, tmp_path: Path) -> None:
    root = folder(tmp_path / "photos", each=2)
    before = report(root)
    (file,) = (own_cache / "scans").glob("*.sqlite")
    file.unlink()
    if damage == "text":
        file.write_text("not a database" * 100)
    elif damage == "folder":
        file.mkdir()
    else:
        with sqlite3.connect(file) as database:
            database.execute("CREATE TABLE images (sha256 BLOB PRIMARY KEY)")
    assert report(root) == before
    assert cache_dir() == own_cache


def test_near_duplicates_do_not_depend_on_the_order(tmp_path: Path) -> None:
    root = folder(tmp_path, each=4)
    shutil.copy(root / "class_0" / "00.png", root / "class_1" / "zz.png")
    images, _ = scan_images(root, list_images(root), lambda d, t: None, lambda: False) or ([], [])
    assert near_duplicates(images) == near_duplicates(images[::-1])


def test_thousands_of_blank_pages_are_one_group() -> None:
    page = inspect_image(_png(Image.new("RGB", (64, 64), "white")))
    images = [
        ImageFile(f"a/{n}", "a", "", f"{n}", 1, 1, replace(page, sha256=f"{n}"))
        for n in range(6000)
    ]
    (group,) = near_duplicates(images).chains
    assert len(group) == 6000


def _png(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        check_data(tmp_path / "nowhere")


def test_check_can_be_cancelled(tmp_path: Path) -> None:
    root = make_images(tmp_path, classes=2, per_class=40, size=4)
    assert check_data(root, cancelled=lambda: True) is None


def test_report_is_plain_json(tmp_path: Path) -> None:
    root = folder(tmp_path, each=2)
    (root / "class_0" / "bad\n.png").write_text("x")
    tree = json.loads(json.dumps(report(root).to_dict()))
    assert tree["damaged"][0]["path"] == "class_0/bad\n.png"
    assert tree["damaged"][0]["reason"]
    assert tree["classes"] == {"class_0": 2, "class_1": 2}
    for key in ("ignored", "mismatched", "duplicates", "leaks", "problems"):
        assert isinstance(tree[key], list)
