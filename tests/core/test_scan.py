import hashlib
import os
import re
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from core.common.errors import DataError
from core.data.assign import SplitOptions
from core.data.image_folder import ListedImage, check_root, list_images
from core.data.scan import ImageFile, scan_images
from core.data.split import plan_data
from tests.make_images import make_images

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="file names are any bytes on Linux")


def never() -> bool:
    return False


def ignore(done: int, total: int) -> None:
    pass


def error_of(call: Callable[[Path], object], root: Path) -> str:
    with pytest.raises(DataError) as caught:
        call(root)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert message.isprintable()
    return message


def plan(root: Path) -> object:
    return plan_data(root, SplitOptions(0.25, seed=1))


def make_split_folders(root: Path, val: str = "val", classes: int = 2) -> Path:
    make_images(root / "train", classes=classes, per_class=3)
    make_images(root / val, classes=classes, per_class=2, seed=1)
    return root


def paths(root: Path) -> list[str]:
    return [listed.path for listed in list_images(root)]


@pytest.mark.parametrize(
    "name", ["x" * 300, "nul\0byte", "new\nline[red]\x1b[2J"], ids=["long", "nul", "odd"]
)
def test_invalid_folder_name_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    error_of(check_root, tmp_path / name)


def test_unreadable_folder_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    assert "Permission denied; make it readable" in error_of(check_root, tmp_path)


def test_images_are_listed_by_class_and_path(tmp_path: Path) -> None:
    make_images(tmp_path, classes=2, per_class=2)
    assert list_images(tmp_path) == [
        ListedImage("class_0/000.png", "class_0", ""),
        ListedImage("class_0/001.png", "class_0", ""),
        ListedImage("class_1/000.png", "class_1", ""),
        ListedImage("class_1/001.png", "class_1", ""),
    ]


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val", "VALIDATION"])
def test_train_and_val_folders_define_the_split(tmp_path: Path, val: str) -> None:
    make_split_folders(tmp_path, val)
    check_root(tmp_path)
    listed = list_images(tmp_path)
    assert {item.split for item in listed if item.path.startswith("train/")} == {"train"}
    assert {item.split for item in listed if item.path.startswith(f"{val}/")} == {"val"}
    assert len(listed) == 10


def test_test_folder_next_to_train_and_val_is_ignored(tmp_path: Path) -> None:
    make_split_folders(tmp_path)
    make_images(tmp_path / "test", classes=5)
    check_root(tmp_path)
    assert not [path for path in paths(tmp_path) if path.startswith("test")]


def test_hidden_and_system_folders_are_not_classes(tmp_path: Path) -> None:
    make_images(tmp_path, classes=2, per_class=1)
    expected = paths(tmp_path)
    for name in (".ipynb_checkpoints", ".git", "__MACOSX", "@eaDir", "$RECYCLE.BIN"):
        make_images(tmp_path / name, classes=1, per_class=1)
        shutil.copytree(tmp_path / "class_0", tmp_path / "class_1" / name / "inside")
    check_root(tmp_path)
    assert paths(tmp_path) == expected


def test_hidden_and_other_files_are_not_images(tmp_path: Path) -> None:
    make_images(tmp_path, classes=2, per_class=1)
    expected = paths(tmp_path)
    for name in ("._000.png", ".hidden.jpg", "Thumbs.db", "notes.txt", "no_suffix", "000.png.bak"):
        (tmp_path / "class_0" / name).write_text("x")
    (tmp_path / "loose.png").write_text("x")
    assert paths(tmp_path) == expected


def test_images_in_subfolders_belong_to_their_class(tmp_path: Path) -> None:
    make_images(tmp_path, classes=2, per_class=1)
    make_images(tmp_path / "class_0" / "2024", classes=1, per_class=1, prefix="may")
    listed = list_images(tmp_path)
    assert ListedImage("class_0/2024/may_0/000.png", "class_0", "") in listed
    assert len(listed) == 3


@pytest.mark.parametrize("name", ["a.JPG", "b.Jpeg", "c.webp", "d.tif", "e.GIF", "f.bmp"])
def test_extension_is_case_insensitive(tmp_path: Path, name: str) -> None:
    make_images(tmp_path, classes=2, per_class=1)
    (tmp_path / "class_0" / name).write_bytes(b"x")
    assert f"class_0/{name}" in paths(tmp_path)


@pytest.mark.parametrize("target", [".", "..", "../..", "../class_0"])
def test_link_to_a_parent_folder_is_not_followed(tmp_path: Path, target: str) -> None:
    root = make_images(tmp_path / "photos", classes=2, per_class=1)
    (root / "class_0" / "loop").symlink_to(target, target_is_directory=True)
    assert paths(root) == ["class_0/000.png", "class_1/000.png"]


def test_link_to_a_class_in_another_folder_is_followed(tmp_path: Path) -> None:
    root = make_images(tmp_path / "photos", classes=2, per_class=1)
    make_images(tmp_path / "elsewhere", classes=1, per_class=2)
    (root / "linked").symlink_to(tmp_path / "elsewhere" / "class_0")
    assert paths(root)[-2:] == ["linked/000.png", "linked/001.png"]


@linux_only
def test_unusual_names_are_kept_unchanged(tmp_path: Path) -> None:
    make_images(tmp_path, classes=2, per_class=1)
    odd = tmp_path / '[red]caf\udce9\n,"'
    odd.mkdir()
    shutil.copy(tmp_path / "class_0" / "000.png", odd / "\x1b[2J \udcff'.png")
    listed = list_images(tmp_path)
    assert listed[0].label == '[red]caf\udce9\n,"'
    images, damaged = scan_images(tmp_path, listed, ignore, never) or ([], [])
    assert (len(images), damaged) == (3, [])


@linux_only
@pytest.mark.parametrize("name", ["caf\udce9", "two\nlines", "\x1b[2J", "[red]"])
def test_messages_escape_unusual_names(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    error_of(check_root, tmp_path / name)


def test_every_image_has_hash_size_and_time(tmp_path: Path) -> None:
    make_images(tmp_path, classes=2, per_class=2)
    images, damaged = scan_images(tmp_path, list_images(tmp_path), ignore, never) or ([], [])
    assert damaged == []
    for image in images:
        file = tmp_path / image.path
        data = file.read_bytes()
        assert image == ImageFile(
            image.path,
            image.path.split("/")[0],
            "",
            hashlib.sha256(data).hexdigest(),
            len(data),
            file.stat().st_mtime_ns,
        )
    assert [image.path for image in images] == paths(tmp_path)


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(b""), "the file is empty"),
        (lambda path: path.write_text("text"), "not an image in a supported format"),
        (lambda path: path.symlink_to("nowhere"), "No such file"),
        (lambda path: os.truncate(path, path.stat().st_size // 2), "truncated"),
        (make_loop, "symbolic links"),
        (make_pipe, "not a regular file"),
    ],
    ids=["empty", "text", "dangling link", "truncated", "link to itself", "pipe"],
)
def test_damaged_file_is_reported_with_reason_and_left_out(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    make_images(tmp_path, classes=2, per_class=3)
    victim = tmp_path / "class_1" / "001.png"
    if reason != "truncated":
        victim.unlink()
    make(victim)
    images, damaged = scan_images(tmp_path, list_images(tmp_path), ignore, never) or ([], [])
    assert [(d.path, d.label) for d in damaged] == [("class_1/001.png", "class_1")]
    assert reason in damaged[0].reason
    assert len(images) == 5


def test_a_folder_that_disappears_during_the_scan_is_not_taken_for_damaged_images(
    tmp_path: Path,
) -> None:
    make_images(tmp_path / "photos", classes=3, per_class=2)
    listed = list_images(tmp_path / "photos")
    (tmp_path / "photos" / "class_1").rename(tmp_path / "away")
    with pytest.raises(DataError, match=r"class_1/000.png: No such .* its folder has disappeared"):
        scan_images(tmp_path / "photos", listed, ignore, never)


def test_file_larger_than_memory_is_reported_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_images(tmp_path, classes=2, per_class=1)
    real_read = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        if path.parent.name == "class_0":
            raise MemoryError
        return real_read(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    images, damaged = scan_images(tmp_path, list_images(tmp_path), ignore, never) or ([], [])
    assert ([d.path for d in damaged], len(images)) == (["class_0/000.png"], 1)
    assert "memory" in damaged[0].reason


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    make_images(tmp_path, classes=2, per_class=40, size=2)
    seen: list[tuple[int, int]] = []
    scan_images(
        tmp_path, list_images(tmp_path), lambda done, total: seen.append((done, total)), never
    )
    assert seen == [(64, 80), (80, 80)]


def test_scan_can_be_cancelled(tmp_path: Path) -> None:
    make_images(tmp_path, classes=2, per_class=70, size=2)
    cancelled = threading.Event()
    seen: list[int] = []

    def progress(done: int, total: int) -> None:
        seen.append(done)
        cancelled.set()

    listed = list_images(tmp_path)
    assert scan_images(tmp_path, listed, progress, cancelled.is_set) is None
    assert seen == [64]
    assert plan_data(tmp_path, SplitOptions(0.2, 1), cancelled=cancelled.is_set) is None


def test_folder_without_readable_images_is_refused(tmp_path: Path) -> None:
    make_images(tmp_path, classes=2, per_class=2)
    for file in tmp_path.rglob("*.png"):
        file.write_text("x")
    message = error_of(plan, tmp_path)
    assert str(tmp_path) in message
    assert "no readable images (first: class_0/000.png: not an image in a" in message


def test_class_without_readable_images_is_refused(tmp_path: Path) -> None:
    make_images(tmp_path, classes=3, per_class=2)
    for file in (tmp_path / "class_1").iterdir():
        file.write_text("x")
    message = error_of(plan, tmp_path)
    assert str(tmp_path / "class_1") in message
    assert "no readable images in this class" in message


@pytest.mark.parametrize("split", ["train", "Validation"])
def test_class_without_readable_images_in_one_split_is_named_by_its_folder(
    tmp_path: Path, split: str
) -> None:
    make_split_folders(tmp_path, "Validation")
    for file in (tmp_path / split / "class_1").iterdir():
        file.write_text("x")
    message = error_of(plan, tmp_path)
    assert message.startswith(f"{tmp_path / split / 'class_1'}: no readable images")


def test_damaged_file_does_not_affect_the_rest_of_the_split(tmp_path: Path) -> None:
    make_images(tmp_path, classes=2, per_class=5)
    (tmp_path / "class_0" / "002.png").write_bytes(b"")
    found = plan_data(tmp_path, SplitOptions(0.2, 1))
    assert found is not None
    assert found.per_class("train") == {"class_0": 3, "class_1": 4}
    assert found.per_class("val") == {"class_0": 1, "class_1": 1}
    assert [d.path for d in found.damaged] == ["class_0/002.png"]


def test_messages_contain_no_python_objects(tmp_path: Path) -> None:
    make_images(tmp_path, classes=2, per_class=1)
    (tmp_path / "class_0" / "000.png").write_bytes(b"GIF89a")
    message = error_of(plan, tmp_path)
    assert not re.search(r"<.*object at 0x", message)


def test_class_named_train_is_a_class(tmp_path: Path) -> None:
    root = make_images(tmp_path / "vehicles", classes=2, per_class=2)
    (root / "class_1").rename(root / "train")
    assert {item.label for item in list_images(root)} == {"class_0", "train"}
