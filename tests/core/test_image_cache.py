"""Cache of decoded images: identical from the cache and from the file."""

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


def pixels(image: Image.Image) -> np.ndarray:
    assert image.mode == "RGB"
    return np.asarray(image)


@pytest.mark.parametrize(("width", "height"), [(400, 300), (300, 400), (60, 50), (64, 64)])
def test_cached_image_equals_the_decoded_one(width: int, height: int, tmp_path: Path) -> None:
    sha256 = photo(tmp_path / "a.jpg", width, height)
    cache, disabled = ImageCache(64, tmp_path / "cache"), ImageCache(64, None)
    first = pixels(cache.read(tmp_path / "a.jpg", sha256))
    (tmp_path / "a.jpg").rename(tmp_path / "b.jpg")
    again = pixels(cache.read(tmp_path / "a.jpg", sha256))
    decoded = pixels(disabled.read(tmp_path / "b.jpg", sha256))
    assert np.array_equal(first, again)
    assert np.array_equal(first, decoded)
    assert min(first.shape[:2]) == min(64, width, height)


def test_orientation_is_applied_before_caching(tmp_path: Path) -> None:
    sha256 = photo(tmp_path / "a.jpg", 200, 100, orientation=6)
    for _ in range(2):
        image = ImageCache(50, tmp_path / "cache").read(tmp_path / "a.jpg", sha256)
        assert image.size == (50, 100)


def test_unreadable_file_is_an_error_and_not_cached(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"not an image")
    with pytest.raises(UnreadableImage):
        ImageCache(64, tmp_path / "cache").read(tmp_path / "a.jpg", "00ab")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("damage", [b"", b"RGB1", b"RGB1" + bytes(12), b"x" * 50_000, None])
def test_damaged_cache_file_is_replaced(damage: bytes | None, tmp_path: Path) -> None:
    sha256 = photo(tmp_path / "a.jpg", 200, 100)
    cache = ImageCache(64, tmp_path / "cache")
    first = pixels(cache.read(tmp_path / "a.jpg", sha256))
    (cached,) = (path for path in (tmp_path / "cache").rglob("*") if path.is_file())
    flipped = bytearray(cached.read_bytes())
    flipped[-5] ^= 1
    cached.write_bytes(flipped if damage is None else damage)
    assert np.array_equal(first, pixels(cache.read(tmp_path / "a.jpg", sha256)))
    assert len(cached.read_bytes()) == 16 + first.size


def test_unwritable_cache_is_not_used(tmp_path: Path) -> None:
    sha256 = photo(tmp_path / "a.jpg", 200, 100)
    (tmp_path / "cache").write_text("a file in the way")
    cache = ImageCache(64, tmp_path / "cache")
    for _ in range(2):
        assert cache.read(tmp_path / "a.jpg", sha256).size == (128, 64)


@given(st.integers(1, 900), st.integers(1, 900), st.integers(1, 400))
def test_shrink_keeps_the_short_side_and_never_scales_up(w: int, h: int, short: int) -> None:
    size = shrink(Image.new("RGB", (w, h)), short).size
    assert min(size) == min(short, w, h)
    assert abs(size[0] / size[1] - w / h) <= 1.01 * max(1 / size[0], 1 / size[1]) * w / h + 1e-9


def test_short_side_suffices_for_crops_and_validation() -> None:
    assert cached_short_side(224, 0.35, 0.875) == 379
    assert cached_short_side(224, 1.0, 0.875) == 256
    assert cached_short_side(224, 0.08, 0.95) == 448


def test_size_is_estimated_from_headers(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.jpg" for number in range(3)]
    for file in files:
        photo(file, 200, 100)
    assert bytes_per_image(files, 50) == 3 * 100 * 50
    assert bytes_per_image(files, 500) == 3 * 200 * 100
    assert bytes_per_image([tmp_path / "missing"], 50) == 0
