"""Layouts of an image folder that are refused, each with the way out."""

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from core.common.errors import DataError
from core.data.image_folder import check_root, list_images
from core.inference.labeled_images import list_labeled_images
from tests.core.test_scan import error_of, make_split_folders, plan
from tests.make_images import make_images


def no_such_folder(root: Path) -> str:
    return "no such folder; give the folder"


def a_file(root: Path) -> str:
    root.write_text("x")
    return "is a file; give the folder"


def an_empty_folder(root: Path) -> str:
    root.mkdir()
    return "no class folders; create one subfolder per class"


def images_in_the_root(root: Path) -> str:
    make_images(root, classes=1, per_class=2)
    for file in (root / "class_0").iterdir():
        file.rename(root / file.name)
    (root / "class_0").rmdir()
    return "no class folders; images are directly in it; create one subfolder"


def one_class(root: Path) -> str:
    make_images(root, classes=1)
    return "only one class folder (class_0); a classifier needs at least two"


def an_empty_class(root: Path) -> str:
    make_images(root, classes=2)
    (root / "vacant").mkdir()
    return "vacant: class folder without images; add images or remove it"


def a_class_of_other_files(root: Path) -> str:
    make_images(root, classes=2)
    (root / "texts").mkdir()
    (root / "texts" / "notes.txt").write_text("x")
    return "texts: class folder without images"


def train_without_val(root: Path) -> str:
    make_images(root / "train")
    return "has train/ but none of val/, valid/, validation/"


def a_class_that_val_lacks(root: Path) -> str:
    make_split_folders(root, classes=3)
    shutil.rmtree(root / "val" / "class_1")
    return "val lacks the class 'class_1'"


def a_class_that_train_lacks(root: Path) -> str:
    make_split_folders(root, classes=3)
    shutil.rmtree(root / "train" / "class_1")
    return "train lacks the class 'class_1'"


def an_empty_class_in_val(root: Path) -> str:
    make_split_folders(root)
    for file in (root / "val" / "class_1").iterdir():
        file.unlink()
    return f"val{os.sep}class_1: class folder without images"


def sides_with_other_names(root: Path) -> str:
    for side in ("Development", "Evaluation"):
        make_images(root / side, classes=2, per_class=2)
    return (
        "are 'Development', 'Evaluation' splits? Each has the folders 'class_0', 'class_1'; rename "
        "them to train/ and val/, or give "
    )


def training_and_testing_without_val(root: Path) -> str:
    for side in ("Training", "Testing"):
        make_images(root / side, classes=2, per_class=2)
    return (
        "has Training/ but none of val/, valid/, validation/; add one, or give "
        f"{root / 'Training'} to split it automatically"
    )


def a_folder_around_the_classes(root: Path) -> str:
    make_images(root / "photos", classes=2, per_class=2)
    return f"has only one class folder (photos); a classifier needs at least two; or give {root}/ph"


def a_class_that_is_a_dangling_link(root: Path) -> str:
    make_images(root, classes=2)
    (root / "class_2").symlink_to("/no/where")
    return "class_2 is a link to /no/where, which does not exist: restore or remove it"


def classes_that_look_alike(root: Path) -> str:
    make_images(root, classes=2)
    (root / "class_1").rename(root / "class_0 ")
    return "has two class folders that look alike: 'class_0' and 'class_0 ' (U+0020)"


def a_name_in_another_form(root: Path) -> str:
    make_split_folders(root, classes=3)
    (root / "train" / "class_1").rename(root / "train" / "caf\u00e9")
    (root / "val" / "class_1").rename(root / "val" / "cafe\u0301")
    return (
        "val lacks the class 'caf\u00e9' ('caf\u00e9' (U+00E9) looks like "
        "'cafe\u0301' (U+0301) there)"
    )


def several_classes_that_val_lacks(root: Path) -> str:
    make_split_folders(root, classes=4)
    for number in (1, 3):
        shutil.rmtree(root / "val" / f"class_{number}")
    return "val lacks the classes 'class_1', 'class_3' of"


PROBLEMS = [
    sides_with_other_names,
    training_and_testing_without_val,
    a_folder_around_the_classes,
    a_class_that_is_a_dangling_link,
    classes_that_look_alike,
    a_name_in_another_form,
    several_classes_that_val_lacks,
    no_such_folder,
    a_file,
    an_empty_folder,
    images_in_the_root,
    one_class,
    an_empty_class,
    a_class_of_other_files,
    train_without_val,
    a_class_that_val_lacks,
    a_class_that_train_lacks,
    an_empty_class_in_val,
]


@pytest.mark.parametrize("make", PROBLEMS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("call", [check_root, list_images, plan])
def test_invalid_layout_is_refused_with_path_and_fix(
    tmp_path: Path, make: Callable[[Path], str], call: Callable[[Path], object]
) -> None:
    root = tmp_path / "photos"
    reason = make(root)
    message = error_of(call, root)
    assert str(root) in message
    assert reason in message


def test_an_archive_names_how_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "photos.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"an archive is read with --data zip://FOLDER::photos.zip"):
        check_root(tmp_path / "photos.zip")


@pytest.mark.parametrize(
    "names", [("Training", "Validation"), ("seg_train", "seg_val"), ("train_set", "dev_set")]
)
@pytest.mark.parametrize("is_wrapped", [False, True])
def test_usual_names_of_splits_are_known(
    names: tuple[str, str], is_wrapped: bool, tmp_path: Path
) -> None:
    for name in (*names, "Testing"):
        top = tmp_path / name / (name if is_wrapped else "")
        make_images(top, classes=2, per_class=3, seed=len(name))
    listed = list_images(tmp_path)
    assert Counter((one.label, one.split) for one in listed) == {
        (f"class_{label}", split): 3 for label in range(2) for split in ("train", "val")
    }
    assert {one.path.split("/")[0] for one in listed} == set(names)
    evaluated = list_labeled_images(tmp_path, ["class_0", "class_1"])
    assert (evaluated.split, len(evaluated.paths)) == ("test", 6)
    assert all("/Testing/" in path for path in evaluated.paths)


@pytest.mark.parametrize(
    "names",
    [
        *[("a", "A"), ("trainer", "testudo"), ("val", "dev")],
        *[("train", "testing"), ("training", "racing"), ("train station", "dev board")],
    ],
)
def test_honest_class_names_are_accepted(names: tuple[str, str], tmp_path: Path) -> None:
    for number, name in enumerate(names):
        made = make_images(tmp_path / "made", classes=1, per_class=3, seed=number)
        shutil.move(made / "class_0", tmp_path / "photos" / name)
    assert {listed.label for listed in list_images(tmp_path / "photos")} == set(names)
