"""Reading untrusted images."""

import io
import os
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tui.viewmodel import images
from tui.viewmodel.images import MAX_SIDE, load, load_sheet, resolve_image


def test_an_image_is_read_upright_and_at_most_as_large_as_needed(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    Image.new("RGB", (3000, 1500), "red").save(tmp_path / "a.jpg", exif=exif)
    image = load(tmp_path / "a.jpg").image
    assert image is not None
    assert image.mode == "RGB"
    assert image.width < image.height <= MAX_SIDE


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: None, "there is no such file (moved, or on another machine?)"),
        (lambda path: path.write_bytes(b""), "damaged or not an image"),
        (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n damaged"), "damaged or not an image"),
        (lambda path: path.mkdir(), "is not a file"),
        (os.mkfifo, "is not a file"),
        (lambda path: path.symlink_to("/dev/zero"), "is not a file"),
        (lambda path: path.symlink_to(path), "can't be read here"),
    ],
)
def test_an_unreadable_file_has_a_reason(tmp_path: Path, make, problem: str) -> None:
    make(tmp_path / "x.png")
    loaded = load(tmp_path / "x.png")
    assert loaded.image is None
    assert problem in loaded.problem
    assert load_sheet(tmp_path / "x.png", 8, 2, 3) == [loaded] * 3


def test_a_file_without_permission_has_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*rest: object) -> int:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(os, "open", refuse)
    assert load(tmp_path / "x.png").problem == "can't be read here: Permission denied"


def test_images_that_would_fill_memory_are_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("1", (9000, 9000)).save(tmp_path / "bomb.png")
    assert load(tmp_path / "bomb.png").problem == "is too large to be shown: 9000 x 9000 pixels"
    monkeypatch.setattr(images, "MAX_FILE_BYTES", 5)
    assert load(tmp_path / "bomb.png").problem.startswith("is too large to be shown")


def test_a_truncated_image_has_a_reason(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    Image.effect_noise((64, 64), 90).save(file)
    file.write_bytes(file.read_bytes()[:1000])
    assert load(file).problem.startswith("can't be read: ")


@given(data=st.binary(max_size=200))
def test_loading_never_fails(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.png"
    file.write_bytes(data)
    assert load(file).image is None


def test_a_sheet_is_cut_into_its_images(tmp_path: Path) -> None:
    sheet = Image.new("RGB", (20, 20))
    for number, color in enumerate([(255, 0, 0), (0, 255, 0), (0, 0, 255)]):
        sheet.paste(color, (10 * (number % 2), 10 * (number // 2)) * 1 + _end(number))
    sheet.save(tmp_path / "sheet.png")
    cut = load_sheet(tmp_path / "sheet.png", 10, 2, 3)
    found = [one.image.getpixel((5, 5)) for one in cut if one.image]
    assert found == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    for side, columns in ((10, 9), (0, 2), (-5, 2), (10**9, 1), (10, 0)):
        last = load_sheet(tmp_path / "sheet.png", side, columns, 3)[-1]
        assert last.problem == "is outside its sheet"


def _end(number: int) -> tuple[int, int]:
    return (10 * (number % 2) + 10, 10 * (number // 2) + 10)


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x.png", "a/../../x.png"])
def test_a_path_outside_the_folder_is_refused(path: str) -> None:
    assert resolve_image("photos", path) is None
    assert resolve_image("photos", "a/b.png") == Path("photos/a/b.png")


def test_a_remote_image_is_fetched_or_has_a_reason() -> None:
    file = fsspec.filesystem("memory")
    encoded = io.BytesIO()
    Image.new("RGB", (8, 6)).save(encoded, "PNG")
    file.pipe_file("/images/a/b.png", encoded.getvalue())
    existing, missing = (
        resolve_image("memory://images", "a/b.png"),
        resolve_image("memory://images", "a/c.png"),
    )
    assert existing is not None
    assert missing is not None
    image = load(existing).image
    assert image is not None
    assert image.size == (8, 6)
    assert (
        load(missing).problem == "memory://images/a/c.png can't be fetched: no such file or folder"
    )
    assert resolve_image("sftp://me:hunter2@host", "a.png") is None
    file.rm("/images", recursive=True)
