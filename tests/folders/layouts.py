"""Layouts: splits, wrappers, missing and empty classes."""

import shutil
from pathlib import Path

from tests.folders.case import Given, case, images
from tests.make_images import make_images


@case(16)
def _plain_folder(root: Path) -> Given:
    return images(root)


def _split(root: Path, train: str, val: str, wrapped: bool = False) -> Given:
    for seed, name in enumerate((train, val)):
        top = root / "photos" / name / (name if wrapped else "")
        make_images(top, classes=2, per_class=6 - 3 * seed, seed=seed)
    return Given(str(root / "photos"))


@case(18)
def _train_and_val(root: Path) -> Given:
    return _split(root, "train", "val")


@case(18)
def _upper_case_splits(root: Path) -> Given:
    return _split(root, "TRAIN", "Valid")


@case(18)
def _training_and_validation(root: Path) -> Given:
    return _split(root, "Training", "Validation")


@case(18)
def _splits_with_a_prefix(root: Path) -> Given:
    return _split(root, "seg_train", "seg_dev")


@case(18)
def _wrapped_splits(root: Path) -> Given:
    return _split(root, "train", "val", wrapped=True)


@case(18)
def _a_test_folder_too(root: Path) -> Given:
    make_images(root / "photos" / "test", classes=2, per_class=2, seed=3)
    return _split(root, "train", "val")


@case(12, refusal="has Training/ but none of val/")
def _training_and_testing(root: Path) -> Given:
    return _split(root, "Training", "Testing")


@case(18, refusal="are 'Development', 'Evaluation' splits?")
def _unusual_splits(root: Path) -> Given:
    return _split(root, "Development", "Evaluation")


@case(16, refusal="has only one class folder (photos)")
def _a_folder_around_it(root: Path) -> Given:
    images(root / "outer")
    return Given(str(root / "outer"))


@case(16, refusal="images are directly in it")
def _images_without_folders(root: Path) -> Given:
    top = Path(images(root).data)
    for file in sorted(top.rglob("*.png")):
        file.rename(top / f"{file.parent.name}-{file.name}")
    for folder in list(top.iterdir()):
        if folder.is_dir():
            folder.rmdir()
    return Given(str(top))


@case(16, refusal="class folder without images; add images or remove it")
def _an_empty_class(root: Path) -> Given:
    given = images(root)
    (Path(given.data) / "vacant").mkdir()
    return given


@case(16, refusal="no readable images in this class")
def _a_class_of_damaged_files(root: Path) -> Given:
    given = images(root)
    (Path(given.data) / "torn").mkdir()
    (Path(given.data) / "torn" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return given


@case(16, refusal="has 1 readable image")
def _a_class_of_one_image(root: Path) -> Given:
    given = images(root)
    make_images(Path(given.data), classes=1, per_class=1, prefix="rare", seed=4)
    return given


@case(16, refusal="its images are copies")
def _a_class_of_copies(root: Path) -> Given:
    given = images(root)
    made = make_images(Path(given.data), classes=1, per_class=1, prefix="copies", seed=4)
    for number in range(5):
        file = made / "copies_0" / f"copy {number}.png"
        shutil.copy(made / "copies_0" / "000.png", file)
    return given


@case(16, refusal="is a link to /no/where")
def _a_dangling_class(root: Path) -> Given:
    given = images(root)
    (Path(given.data) / "class_2").symlink_to("/no/where")
    return given


@case(20, classes=("class_0", "class_1", "elsewhere"))
def _a_class_that_is_a_link(root: Path) -> Given:
    given = images(root)
    other = make_images(root / "other", classes=1, per_class=4, seed=7)
    (Path(given.data) / "elsewhere").symlink_to(other / "class_0")
    return given


@case(15)
def _a_file_that_is_a_dangling_link(root: Path) -> Given:
    given = images(root)
    file = Path(given.data) / "class_0" / "000.png"
    file.unlink()
    file.symlink_to("/no/where.png")
    return given


@case(20, refusal="look alike: 'class_0' and 'class_0 ' (U+0020)")
def _a_trailing_space(root: Path) -> Given:
    given = images(root)
    other = make_images(root / "other", classes=1, per_class=4, seed=7)
    shutil.move(other / "class_0", Path(given.data) / "class_0 ")
    return given


@case(12, classes=("caf\u00e9", "class_1"), refusal="look alike")
def _one_name_in_two_forms(root: Path) -> Given:
    given = images(root, per_class=6)
    top = Path(given.data)
    (top / "class_0").rename(top / "caf\u00e9")
    (top / "cafe\u0301").mkdir()
    for number in range(3):
        (top / "caf\u00e9" / f"00{number}.png").rename(top / "cafe\u0301" / f"{number}.png")
    return given


@case(21, refusal="lacks the class 'class_1'")
def _a_class_that_val_lacks(root: Path) -> Given:
    given = _split(root, "train", "val")
    shutil.rmtree(Path(given.data) / "val" / "class_1")
    return given


@case(16, classes=("a", "A"))
def _names_that_differ_in_case(root: Path) -> Given:
    given = images(root)
    top = Path(given.data)
    (top / "class_0").rename(top / "a")
    (top / "class_1").rename(top / "A")
    return given
