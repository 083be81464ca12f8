"""Pictures that are decoded once: the same from the cache as from the file."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core.data.decode import UnreadableImage
from core.data.image_cache import ImageCache, bytes_per_image, cached_short_side, shrink


def photo(path: Path, width: int, height: int, orientation: int = 1) -> str:
    """Save a JPEG of noise and gradients; returns the SHA-256 of its file."""
    rng = np.random.default_rng(width * height)
    ramp = np.linspace(0, 200, width)[None, :, None] + np.zeros((height, 1, 3))
    pixels = np.clip(ramp + rng.normal(0, 20, (height, width, 3)), 0, 255).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, quality=90, exif=exif)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pixels(picture: Image.Image) -> np.ndarray:
    assert picture.mode == "RGB"
    return np.asarray(picture)


@pytest.mark.parametrize(("width", "height"), [(400, 300), (300, 400), (60, 50), (64, 64)])
def test_kept_is_what_was_decoded(width: int, height: int, tmp_path: Path) -> None:
    content = photo(tmp_path / "a.jpg", width, height)
    kept, none = ImageCache(64, tmp_path / "cache"), ImageCache(64, None)
    first = pixels(kept.read(tmp_path / "a.jpg", content))
    (tmp_path / "a.jpg").rename(tmp_path / "b.jpg")
    again = pixels(kept.read(tmp_path / "a.jpg", content))
    anew = pixels(none.read(tmp_path / "b.jpg", content))
    assert np.array_equal(first, again)
    assert np.array_equal(first, anew)
    assert min(first.shape[:2]) == min(64, width, height)


def test_orientation_is_applied_before_it_is_kept(tmp_path: Path) -> None:
    content = photo(tmp_path / "a.jpg", 200, 100, orientation=6)
    for _ in range(2):
        picture = ImageCache(50, tmp_path / "cache").read(tmp_path / "a.jpg", content)
        assert picture.size == (50, 100)


def test_a_file_that_is_no_picture_is_an_error_and_not_kept(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(UnreadableImage):
        ImageCache(64, tmp_path / "cache").read(tmp_path / "a.jpg", "00ab")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("spoil", [b"", b"RGB1", b"RGB1" + bytes(12), b"x" * 50_000, None])
def test_a_damaged_file_in_the_cache_is_made_anew(spoil: bytes | None, tmp_path: Path) -> None:
    content = photo(tmp_path / "a.jpg", 200, 100)
    cache = ImageCache(64, tmp_path / "cache")
    first = pixels(cache.read(tmp_path / "a.jpg", content))
    (kept,) = (path for path in (tmp_path / "cache").rglob("*") if path.is_file())
    rotted = bytearray(kept.read_bytes())
    rotted[-5] ^= 1
    kept.write_bytes(rotted if spoil is None else spoil)
    assert np.array_equal(first, pixels(cache.read(tmp_path / "a.jpg", content)))
    assert len(kept.read_bytes()) == 16 + first.size


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    content = photo(tmp_path / "a.jpg", 200, 100)
    (tmp_path / "cache").write_text("a file in the way")
    cache = ImageCache(64, tmp_path / "cache")
    for _ in range(2):
        assert cache.read(tmp_path / "a.jpg", content).size == (128, 64)


@given(st.integers(1, 900), st.integers(1, 900), st.integers(1, 400))
def test_reducing_never_goes_below_the_short_side_nor_scales_up(w: int, h: int, short: int) -> None:
    size = shrink(Image.new("RGB", (w, h)), short).size
    assert min(size) == min(short, w, h)
    assert abs(size[0] / size[1] - w / h) <= 1.01 * max(1 / size[0], 1 / size[1]) * w / h + 1e-9


def test_the_short_side_serves_crops_and_validation() -> None:
    assert cached_short_side(224, 0.35, 0.875) == 379
    assert cached_short_side(224, 1.0, 0.875) == 256
    assert cached_short_side(224, 0.08, 0.95) == 448


def test_needed_room_is_estimated_by_the_headers(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.jpg" for number in range(3)]
    for file in files:
        photo(file, 200, 100)
    assert bytes_per_image(files, 50) == 3 * 100 * 50
    assert bytes_per_image(files, 500) == 3 * 200 * 100
    assert bytes_per_image([tmp_path / "missing"], 50) == 0
