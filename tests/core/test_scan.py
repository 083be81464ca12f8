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
from core.data.image_folder import ListedImage, check_root, list_images
from core.data.scan import ImageFile, scan_images
from core.data.split import SplitOptions, plan_data
from tests.make_images import make_images

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="file names are any bytes on Linux")


def never() -> bool:
    return False


def ignore(done: int, total: int) -> None:
    pass


def refusal(look: Callable[[Path], object], root: Path) -> str:
    with pytest.raises(DataError) as caught:
        look(root)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert message.isprintable()
    return message


def plan(root: Path) -> object:
    return plan_data(root, SplitOptions(0.25, seed=1))


def sided(root: Path, val: str = "val", classes: int = 2) -> Path:
    make_images(root / "train", classes=classes, per_class=3)
    make_images(root / val, classes=classes, per_class=2, seed=1)
    return root


def paths(root: Path) -> list[str]:
    return [listed.path for listed in list_images(root)]


def no_such_folder(root: Path) -> str:
    return "no such folder; give the folder"


def a_file(root: Path) -> str:
    root.write_text("x")
    return "is a file; give the folder"


def an_empty_folder(root: Path) -> str:
    root.mkdir()
    return "no class folders; make one sub folder a class"


def pictures_in_the_root(root: Path) -> str:
    make_images(root, classes=1, per_class=2)
    for file in (root / "class_0").iterdir():
        file.rename(root / file.name)
    (root / "class_0").rmdir()
    return "no class folders; it holds pictures directly; make one sub folder"


def one_class(root: Path) -> str:
    make_images(root, classes=1)
    return "one class folder only (class_0); a classifier needs two"


def an_empty_class(root: Path) -> str:
    make_images(root, classes=2)
    (root / "vacant").mkdir()
    return "vacant: class folder without a picture; add pictures or remove it"


def a_class_of_other_files(root: Path) -> str:
    make_images(root, classes=2)
    (root / "texts").mkdir()
    (root / "texts" / "notes.txt").write_text("x")
    return "texts: class folder without a picture"


def train_without_val(root: Path) -> str:
    make_images(root / "train")
    return "has train/ but none of val/, valid/, validation/"


def a_class_that_val_lacks(root: Path) -> str:
    sided(root, classes=3)
    shutil.rmtree(root / "val" / "class_1")
    return "val lacks the class 'class_1'"


def a_class_that_train_lacks(root: Path) -> str:
    sided(root, classes=3)
    shutil.rmtree(root / "train" / "class_1")
    return "train lacks the class 'class_1'"


def an_empty_class_in_val(root: Path) -> str:
    sided(root)
    for file in (root / "val" / "class_1").iterdir():
        file.unlink()
    return f"val{os.sep}class_1: class folder without a picture"


PROBLEMS = [
    no_such_folder,
    a_file,
    an_empty_folder,
    pictures_in_the_root,
    one_class,
    an_empty_class,
    a_class_of_other_files,
    train_without_val,
    a_class_that_val_lacks,
    a_class_that_train_lacks,
    an_empty_class_in_val,
]


@pytest.mark.parametrize("make", PROBLEMS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("look", [check_root, list_images, plan])
def test_a_folder_that_cannot_be_trained_on_is_refused_with_path_and_advice(
    tmp_path: Path, make: Callable[[Path], str], look: Callable[[Path], object]
) -> None:
    root = tmp_path / "photos"
    part = make(root)
    message = refusal(look, root)
    assert str(root) in message
    assert part in message


@pytest.mark.parametrize(
    "name", ["x" * 300, "nul\0byte", "new\nline[red]\x1b[2J"], ids=["long", "nul", "odd"]
)
def test_a_folder_that_cannot_be_named_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    refusal(check_root, tmp_path / name)


def test_a_folder_that_cannot_be_listed_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    assert "Permission denied; make it readable" in refusal(check_root, tmp_path)


def test_a_folder_of_classes_is_listed_by_class_and_path(tmp_path: Path) -> None:
    make_images(tmp_path, classes=2, per_class=2)
    assert list_images(tmp_path) == [
        ListedImage("class_0/000.png", "class_0", ""),
        ListedImage("class_0/001.png", "class_0", ""),
        ListedImage("class_1/000.png", "class_1", ""),
        ListedImage("class_1/001.png", "class_1", ""),
    ]


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val", "VALIDATION"])
def test_folders_for_both_sides_decide_the_split(tmp_path: Path, val: str) -> None:
    sided(tmp_path, val)
    check_root(tmp_path)
    listed = list_images(tmp_path)
    assert {item.split for item in listed if item.path.startswith("train/")} == {"train"}
    assert {item.split for item in listed if item.path.startswith(f"{val}/")} == {"val"}
    assert len(listed) == 10


def test_a_test_folder_beside_train_and_val_is_left_alone(tmp_path: Path) -> None:
    sided(tmp_path)
    make_images(tmp_path / "test", classes=5)
    check_root(tmp_path)
    assert not [path for path in paths(tmp_path) if path.startswith("test")]


def test_hidden_and_system_folders_are_no_classes(tmp_path: Path) -> None:
    make_images(tmp_path, classes=2, per_class=1)
    expected = paths(tmp_path)
    for name in (".ipynb_checkpoints", ".git", "__MACOSX", "@eaDir", "$RECYCLE.BIN"):
        make_images(tmp_path / name, classes=1, per_class=1)
        shutil.copytree(tmp_path / "class_0", tmp_path / "class_1" / name / "inside")
    check_root(tmp_path)
    assert paths(tmp_path) == expected


def test_hidden_files_and_other_files_are_no_pictures(tmp_path: Path) -> None:
    make_images(tmp_path, classes=2, per_class=1)
    expected = paths(tmp_path)
    for name in ("._000.png", ".hidden.jpg", "Thumbs.db", "notes.txt", "no_suffix", "000.png.bak"):
        (tmp_path / "class_0" / name).write_text("x")
    (tmp_path / "loose.png").write_text("x")
    assert paths(tmp_path) == expected


def test_pictures_in_sub_folders_belong_to_their_class(tmp_path: Path) -> None:
    make_images(tmp_path, classes=2, per_class=1)
    make_images(tmp_path / "class_0" / "2024", classes=1, per_class=1, prefix="may")
    listed = list_images(tmp_path)
    assert ListedImage("class_0/2024/may_0/000.png", "class_0", "") in listed
    assert len(listed) == 3


@pytest.mark.parametrize("name", ["a.JPG", "b.Jpeg", "c.webp", "d.tif", "e.GIF", "f.bmp"])
def test_pictures_are_known_by_their_suffix_in_any_case(tmp_path: Path, name: str) -> None:
    make_images(tmp_path, classes=2, per_class=1)
    (tmp_path / "class_0" / name).write_bytes(b"x")
    assert f"class_0/{name}" in paths(tmp_path)


@pytest.mark.parametrize("target", [".", "..", "../..", "../class_0"])
def test_a_link_that_leads_back_up_is_not_followed(tmp_path: Path, target: str) -> None:
    root = make_images(tmp_path / "photos", classes=2, per_class=1)
    (root / "class_0" / "loop").symlink_to(target, target_is_directory=True)
    assert paths(root) == ["class_0/000.png", "class_1/000.png"]


def test_a_link_to_a_class_kept_elsewhere_is_followed(tmp_path: Path) -> None:
    root = make_images(tmp_path / "photos", classes=2, per_class=1)
    make_images(tmp_path / "elsewhere", classes=1, per_class=2)
    (root / "linked").symlink_to(tmp_path / "elsewhere" / "class_0")
    assert paths(root)[-2:] == ["linked/000.png", "linked/001.png"]


@linux_only
def test_odd_names_come_through_as_they_are(tmp_path: Path) -> None:
    make_images(tmp_path, classes=2, per_class=1)
    odd = tmp_path / '[red]caf\udce9\n,"'
    odd.mkdir()
    shutil.copy(tmp_path / "class_0" / "000.png", odd / "\x1b[2J \udcff'.png")
    listed = list_images(tmp_path)
    assert listed[0].label == '[red]caf\udce9\n,"'
    pictures, damaged = scan_images(tmp_path, listed, ignore, never) or ([], [])
    assert (len(pictures), damaged) == (3, [])


@linux_only
@pytest.mark.parametrize("name", ["caf\udce9", "two\nlines", "\x1b[2J", "[red]"])
def test_messages_show_odd_names_safely(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    refusal(check_root, tmp_path / name)


def test_every_picture_is_hashed_and_measured(tmp_path: Path) -> None:
    make_images(tmp_path, classes=2, per_class=2)
    pictures, damaged = scan_images(tmp_path, list_images(tmp_path), ignore, never) or ([], [])
    assert damaged == []
    for picture in pictures:
        file = tmp_path / picture.path
        data = file.read_bytes()
        assert picture == ImageFile(
            picture.path,
            picture.path.split("/")[0],
            "",
            hashlib.sha256(data).hexdigest(),
            len(data),
            file.stat().st_mtime_ns,
        )
    assert [picture.path for picture in pictures] == paths(tmp_path)


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(b""), "the file is empty"),
        (lambda path: path.write_text("text"), "not a picture"),
        (lambda path: path.symlink_to("nowhere"), "No such file"),
        (lambda path: os.truncate(path, path.stat().st_size // 2), "truncated"),
        (make_loop, "symbolic links"),
        (make_pipe, "not a regular file"),
    ],
    ids=["empty", "text", "dangling link", "truncated", "link to itself", "pipe"],
)
def test_a_damaged_file_is_listed_with_its_reason_and_left_out(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    make_images(tmp_path, classes=2, per_class=3)
    victim = tmp_path / "class_1" / "001.png"
    if reason != "truncated":
        victim.unlink()
    make(victim)
    pictures, damaged = scan_images(tmp_path, list_images(tmp_path), ignore, never) or ([], [])
    assert [(d.path, d.label) for d in damaged] == [("class_1/001.png", "class_1")]
    assert reason in damaged[0].reason
    assert len(pictures) == 5


def test_a_file_larger_than_memory_is_listed_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_images(tmp_path, classes=2, per_class=1)
    real_read = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        if path.parent.name == "class_0":
            raise MemoryError
        return real_read(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    pictures, damaged = scan_images(tmp_path, list_images(tmp_path), ignore, never) or ([], [])
    assert ([d.path for d in damaged], len(pictures)) == (["class_0/000.png"], 1)
    assert "memory" in damaged[0].reason


def test_progress_ends_with_all_of_them(tmp_path: Path) -> None:
    make_images(tmp_path, classes=2, per_class=40, size=2)
    told: list[tuple[int, int]] = []
    scan_images(
        tmp_path, list_images(tmp_path), lambda done, total: told.append((done, total)), never
    )
    assert told == [(64, 80), (80, 80)]


def test_reading_can_be_cancelled(tmp_path: Path) -> None:
    make_images(tmp_path, classes=2, per_class=70, size=2)
    asked = threading.Event()
    told: list[int] = []

    def progress(done: int, total: int) -> None:
        told.append(done)
        asked.set()

    listed = list_images(tmp_path)
    assert scan_images(tmp_path, listed, progress, asked.is_set) is None
    assert told == [64]
    assert plan_data(tmp_path, SplitOptions(0.2, 1), cancelled=asked.is_set) is None


def test_no_readable_picture_at_all_is_refused(tmp_path: Path) -> None:
    make_images(tmp_path, classes=2, per_class=2)
    for file in tmp_path.rglob("*.png"):
        file.write_text("x")
    message = refusal(plan, tmp_path)
    assert str(tmp_path) in message
    assert "no readable picture in it (first: class_0/000.png: not a picture" in message


def test_a_class_without_a_readable_picture_is_refused(tmp_path: Path) -> None:
    make_images(tmp_path, classes=3, per_class=2)
    for file in (tmp_path / "class_1").iterdir():
        file.write_text("x")
    message = refusal(plan, tmp_path)
    assert str(tmp_path / "class_1") in message
    assert "no readable picture in this class" in message


@pytest.mark.parametrize("part", ["train", "Validation"])
def test_a_side_without_a_readable_picture_of_a_class_is_named_as_it_is_on_the_disk(
    tmp_path: Path, part: str
) -> None:
    sided(tmp_path, "Validation")
    for file in (tmp_path / part / "class_1").iterdir():
        file.write_text("x")
    message = refusal(plan, tmp_path)
    assert message.startswith(f"{tmp_path / part / 'class_1'}: no readable picture")


def test_a_damaged_file_leaves_the_rest_of_the_plan(tmp_path: Path) -> None:
    make_images(tmp_path, classes=2, per_class=5)
    (tmp_path / "class_0" / "002.png").write_bytes(b"")
    found = plan_data(tmp_path, SplitOptions(0.2, 1))
    assert found is not None
    assert found.per_class("train") == {"class_0": 3, "class_1": 4}
    assert found.per_class("val") == {"class_0": 1, "class_1": 1}
    assert [d.path for d in found.damaged] == ["class_0/002.png"]


def test_messages_name_no_python_objects(tmp_path: Path) -> None:
    make_images(tmp_path, classes=2, per_class=1)
    (tmp_path / "class_0" / "000.png").write_bytes(b"GIF89a")
    message = refusal(plan, tmp_path)
    assert not re.search(r"<.*object at 0x", message)


def test_a_class_called_train_is_a_class(tmp_path: Path) -> None:
    root = make_images(tmp_path / "vehicles", classes=2, per_class=2)
    (root / "class_1").rename(root / "train")
    assert {item.label for item in list_images(root)} == {"class_0", "train"}
