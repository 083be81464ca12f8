"""Image paths and labels from arguments; saved evaluations."""

import io
import json
import os
from pathlib import Path

import pytest

from core.common.errors import DataError, SetupError
from core.common.location import expand_user
from core.data.image_folder import list_images
from core.inference.input_paths import image_paths
from core.inference.labeled_images import list_labeled_images
from core.run.find import find_run
from core.run.folder import RunFolder
from core.run.saved_evaluations import list_evaluations, save_evaluation
from tests.make_images import make_images

FIGURES = {"top1": 0.5, "top5": 0.9, "macro_f1": 0.5, "ece": 0.1, "loss": 1.0}


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    """Two classes of three images: one is a symlink, the other contains a symlinked folder and a
    symlink to the root; also folders that operating systems create."""
    root = tmp_path / "photos"
    elsewhere = make_images(tmp_path / "elsewhere", classes=2, per_class=3)
    root.mkdir()
    (root / "class_0").symlink_to(elsewhere / "class_0")
    (root / "class_1").mkdir()
    (root / "class_1" / "more").symlink_to(elsewhere / "class_1")
    (root / "class_1" / "loop").symlink_to(root)
    for name in ("@eaDir", "__MACOSX", "class_1/@eaDir"):
        (root / name).mkdir()
        (root / name / "thumbnail.png").write_bytes(b"a system's")
    return root


def test_prediction_and_evaluation_use_the_files_of_training(messy: Path) -> None:
    trained_on = [str(messy / listed.path) for listed in list_images(messy)]
    assert len(trained_on) == 6
    assert sorted(image_paths([str(messy)])) == trained_on
    assert sorted(list_labeled_images(messy, ("class_0", "class_1")).paths) == trained_on


def test_a_recursive_pattern_yields_each_file_once(messy: Path) -> None:
    found = list(map(os.path.realpath, image_paths([f"{messy}/class_*/**/*.png"])))
    assert len(found) == len(set(found)) == 6 + 3  # including files that operating systems create


def test_a_folder_without_permission_is_reported(
    messy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The error is simulated, because root may read every folder.
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("more"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    for list_files in (list_images, lambda root: list(image_paths([str(root)]))):
        with pytest.raises(DataError, match=r"class_1/more: Permission denied; make it readable"):
            list_files(messy)


def test_the_home_of_an_unknown_user_is_not_expanded(tmp_path: Path) -> None:
    assert expand_user("~nobody42/x") == "~nobody42/x"
    assert expand_user("zip://a::/b/c.zip") == "zip://a::/b/c.zip"
    with pytest.raises(SetupError, match="no run '~nobody42/x'"):
        find_run(tmp_path, "~nobody42/x")


def test_evaluations_of_the_same_second_are_all_saved(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    files = [
        save_evaluation(folder, {**FIGURES, "number": number}, 1_000_000.0) for number in range(3)
    ]
    assert len(set(files)) == 3
    assert sorted(kept.content["number"] for kept in list_evaluations(folder)) == [0, 1, 2]
    assert json.loads(files[1].read_text())["number"] == 1


def test_a_list_on_standard_input_may_have_the_line_ends_of_windows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = b"a.png\r\nb c.png\r\n\r\nd.png"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert list(image_paths(["-"])) == ["a.png", "b c.png", "d.png"]
