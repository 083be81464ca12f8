"""Files of a data folder that are left out are counted in one line, and content decides."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from core.common.errors import DataError
from core.common.left_out import LeftOut, left_out_text, needs_attention
from core.data.check import check_data
from core.data.image_folder import count_images, list_images
from core.data.sources import parse_location
from core.data.split import SplitOptions, plan_data
from core.data.verify_split import verify_split
from core.events import types as ev
from core.events.describe import describe
from core.inference.input_paths import image_paths
from core.inference.labeled_images import list_labeled_images
from core.session.engine_thread import EngineThread
from tests.core.engine_kit import small_config
from tests.make_images import make_images
from tests.odd_images import ODD_IMAGES, OTHER_FILES, make_odd_layout, make_odd_names

LINE = (
    "left out 6 files: 1 .cr2 (not supported), 1 .jxl (not supported), 4 not images (no "
    "extension, .csv, .txt, …)"
)


def never() -> bool:
    return False


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    return make_odd_names(tmp_path / "photos")


def test_content_decides_where_the_name_says_nothing(odd: Path) -> None:
    used = {Path(item.path).name for item in list_images(odd) if item.label == "class_0"}
    assert used == {*(f"{n}.png" for n in range(4)), *ODD_IMAGES}
    assert count_images(odd) == {"": {"class_0": 9, "class_1": 4}}
    assert {Path(path).name for path in image_paths([str(odd / "class_0")])} == used
    labeled = list_labeled_images(odd, ("class_0", "class_1"))
    assert len(labeled.paths) == 13
    assert left_out_text(labeled.left_out.by_reason()) == LINE


def test_what_cannot_be_an_image_is_not_opened(odd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    open_file = os.open

    def note(path: object, *rest: object) -> int:
        opened.append(Path(str(path)).name)
        return open_file(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", note)
    list_images(odd)
    assert set(opened) == {*ODD_IMAGES, "README"}
    os.mkfifo(odd / "class_0" / "pipe")
    (odd / "class_0" / "dangling").symlink_to("nowhere")
    assert len(list_images(odd)) == 13


def test_files_are_counted_by_reason(odd: Path) -> None:
    shutil.copy(odd / "class_0" / "0.png", odd / "loose.png")
    (odd / "labels.txt").write_text("x")
    left_out = LeftOut()
    list_images(odd, left_out)
    assert left_out.by_reason() == {
        ".jxl (not supported)": 1,
        ".cr2 (not supported)": 1,
        "image outside the class folders": 1,
        "not images (no extension, .csv, .txt, …)": 4,
    }
    hidden = {"Thumbs.db", ".DS_Store", "desktop.ini"}
    assert sum(left_out.by_reason().values()) == 1 + len(OTHER_FILES) - len(hidden)


def test_images_outside_the_classes_of_a_split_are_counted(tmp_path: Path) -> None:
    make_odd_layout(tmp_path)
    left_out = LeftOut()
    listed = list_images(tmp_path, left_out)
    assert len(listed) == 2 * (3 + 2)
    assert {item.split for item in listed} == {"train", "val"}
    assert left_out.by_reason() == {"images outside the class folders": 2}
    report = check_data(tmp_path)
    assert report is not None
    assert report.left_out == {
        "images outside the class folders": 2,
        "not images (.csv)": 1,
    }
    assert {item.path: item.reason for item in report.folders} == {
        "train/.ipynb_checkpoints": "hidden or system folder, skipped",
        "train/__MACOSX": "hidden or system folder, skipped",
        "train/class_0/@eaDir": "hidden or system folder, skipped",
        "train/class_1/vacant": "empty",
    }


@pytest.mark.parametrize(
    ("reasons", "unreadable", "line"),
    [
        ({}, 0, ""),
        ({}, 1, "left out 1 file: unreadable"),
        ({"not images (.txt)": 1200}, 0, "left out 1,200 files: not images (.txt)"),
        (
            {"not images (.txt)": 10, ".jxl (not supported)": 3},
            1,
            "left out 14 files: 1 unreadable, 10 not images (.txt), 3 .jxl (not supported)",
        ),
        ({"not images (.\x1b[2J)": 1}, 0, "left out 1 file: not images (.\\x1b[2J)"),
    ],
)
def test_the_line_has_counts_and_plurals(
    reasons: dict[str, int], unreadable: int, line: str
) -> None:
    assert left_out_text(reasons, unreadable) == line
    expected = bool(unreadable) or ".jxl (not supported)" in reasons
    assert needs_attention(reasons, unreadable) == expected


def test_training_says_what_it_leaves_out(odd: Path, tmp_path: Path) -> None:
    (odd / "class_0" / "bad.png").write_text("x")
    config = small_config(odd, "phases.head.epochs=1", "phases.full.epochs=0")
    engine = EngineThread(config, tmp_path / "runs")
    found: list[ev.Event] = []
    engine.add_callback(found.append)
    engine.start()
    result = engine.join()
    assert result is not None
    assert result.outcome == "finished"
    assert engine.folder is not None
    (ready,) = (event for event in found if isinstance(event, ev.DataReady))
    message = describe(ready)
    assert message is not None
    line = LINE.replace("left out 6 files: ", "left out 7 files: 1 unreadable, ")
    assert message.text.endswith(f"; {line}")
    assert message.level == "warning"
    assert line in engine.folder.log.read_text("utf-8")


def test_text_files_alone_are_no_warning() -> None:
    ready = ev.DataReady(root="r", classes=["a", "b"], train=8, val=2)
    assert describe(ready) == describe(ready)
    for left_out, level in (({"not images (.txt)": 10}, "info"), ({".jxl (x)": 1}, "warning")):
        message = describe(
            ev.DataReady(root="r", classes=["a", "b"], train=8, val=2, left_out=left_out)
        )
        assert message is not None
        assert message.level == level


def test_check_reports_them(odd: Path) -> None:
    report = check_data(odd)
    assert report is not None
    assert left_out_text(report.left_out) == LINE
    assert report.unsupported == ["class_0/new.jxl", "class_0/raw.cr2"]
    assert "2 images in a format that is not supported" in report.problems
    assert set(report.ignored) == {f"class_0/{name}" for name in OTHER_FILES}
    assert json.loads(json.dumps(report.to_dict()))["left_out"] == report.left_out
    assert {item.path for item in report.mismatched} == {
        f"class_0/{name}" for name in ODD_IMAGES if name != "x.mpo"
    }


def test_an_older_run_gets_no_images_that_it_did_not_read(odd: Path, tmp_path: Path) -> None:
    plain = [item for item in list_images(odd) if item.path.endswith(".png")]
    assert len(plain) == 8
    stored = tmp_path / "stored"
    stored.mkdir()
    for name in ODD_IMAGES:
        shutil.move(odd / "class_0" / name, stored / name)
    plan = plan_data(odd, SplitOptions(0.25, 1))
    assert plan is not None
    plan.write_csv(tmp_path / "split.csv")
    for name in ODD_IMAGES:
        shutil.move(stored / name, odd / "class_0" / name)

    def verify(by_content: bool) -> tuple[int, int]:
        checked = verify_split(
            odd, tmp_path / "split.csv", lambda done, total: None, never, by_content=by_content
        )
        assert checked is not None
        return len(checked[0].all), len(checked[1].new)

    assert verify(by_content=False) == (8, 0)
    assert verify(by_content=True) == (13, 5)


@pytest.fixture
def remote(odd: Path) -> Iterator[str]:
    system = fsspec.filesystem("memory")
    system.put(f"{odd}/", "/odd/", recursive=True)
    yield "memory://odd"
    system.rm("/odd", recursive=True)


def test_remote_files_are_judged_by_their_names_without_a_fetch(
    remote: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*rest: object) -> bytes:
        raise AssertionError("a file was fetched")

    monkeypatch.setattr("core.data.remote.RemotePath.fetch", refuse)
    left_out = LeftOut()
    listed = list_images(parse_location(remote), left_out)
    assert len(listed) == 8
    assert left_out.by_reason() == {
        ".jxl (not supported)": 1,
        ".cr2 (not supported)": 1,
        "not images (no extension, .csv, .jpg , …)": 9,
    }


def test_a_class_of_images_without_extension_is_accepted(tmp_path: Path) -> None:
    make_images(tmp_path, classes=2, per_class=3)
    for file in list((tmp_path / "class_0").iterdir()):
        file.rename(file.with_suffix(""))
    assert len(list_images(tmp_path)) == 6
    for file in (tmp_path / "class_0").iterdir():
        file.write_text("text")
    with pytest.raises(DataError, match="class folder without images"):
        list_images(tmp_path)
