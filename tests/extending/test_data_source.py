"""Add an image source: one class for its locations, one for reading them, one registration."""

import hashlib
import os
import pickle
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import torch
from torchvision.transforms.functional import pil_to_tensor

from core.common.errors import DataError
from core.config.load import load_config
from core.data.assign import SplitOptions
from core.data.check import check_data
from core.data.image_cache import ImageCache
from core.data.image_folder import check_root, count_images, list_images
from core.data.loading.dataset import ImageDataset, SampleKey
from core.data.remote import RemoteStatus
from core.data.source import Location
from core.data.sources import parse_location, register_source, source_of, unregister_source
from core.data.split import plan_data
from core.data.verify_split import verify_split
from core.inference.input_paths import image_paths
from core.inference.read_file import read_bytes
from core.session.preflight import check as preflight
from tests.make_images import make_images

SCHEME = "memory-test://"
FILES: dict[str, bytes] = {}
"""Content of every file by path."""


class MemoryPath(os.PathLike[str]):
    """A file or folder of FILES."""

    def __init__(self, path: str) -> None:
        self.path = PurePosixPath(path)

    def __fspath__(self) -> str:
        return f"{SCHEME}{self.path}"

    __str__ = __fspath__

    def __lt__(self, other: "MemoryPath") -> bool:
        return self.path < other.path

    def __truediv__(self, name: str) -> "MemoryPath":
        return MemoryPath(str(self.path / name))

    @property
    def name(self) -> str:
        return self.path.name

    def absolute(self) -> "MemoryPath":
        return self

    def relative_to(self, top: "MemoryPath") -> PurePosixPath:
        return self.path.relative_to(top.path)

    def children(self) -> set[str]:
        below = (PurePosixPath(file) for file in FILES)
        return {file.relative_to(self.path).parts[0] for file in below if self.path in file.parents}

    def is_dir(self) -> bool:
        return bool(self.children())

    def iterdir(self) -> "Iterator[MemoryPath]":
        return (self / name for name in self.children())

    def stat(self) -> RemoteStatus:
        if self.is_dir():
            return RemoteStatus(stat.S_IFDIR)
        return RemoteStatus(stat.S_IFREG, len(self.read_bytes()), 1)

    def read_bytes(self) -> bytes:
        if str(self.path) not in FILES:
            raise FileNotFoundError(2, "no such file", str(self))
        return FILES[str(self.path)]


class MemorySource:
    """Images in memory."""

    is_remote = False
    threads = 2

    def accepts(self, text: str) -> bool:
        return text.startswith(SCHEME)

    def location(self, text: str) -> MemoryPath:
        return MemoryPath(text.removeprefix(SCHEME))

    def owns(self, location: Location) -> bool:
        return isinstance(location, MemoryPath)

    def check_installed(self, root: MemoryPath) -> None:
        pass

    def list_folders(self, top: MemoryPath) -> list[str]:
        return [child.name for child in top.iterdir() if child.is_dir()]

    def walk(
        self, top: MemoryPath, follow_links: bool = False
    ) -> Iterator[tuple[MemoryPath, list[str], list[str]]]:
        folders = self.list_folders(top)
        files = [child.name for child in top.iterdir() if not child.is_dir()]
        yield top, folders, files
        for name in folders:
            yield from self.walk(top / name)

    def open(self, file: MemoryPath, sha256: str = "") -> bytes:
        return file.read_bytes()

    def read(self, file: MemoryPath, max_bytes: int, retry: bool = True) -> bytes:
        return file.read_bytes()

    def fingerprint(self, file: MemoryPath) -> str:
        return hashlib.sha256(file.read_bytes()).hexdigest()

    def is_missing_here(self, file: MemoryPath) -> bool:
        return str(file.path) not in FILES

    def map(self, work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        return map(work, items)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A local image folder whose files are also in memory, with the source registered."""
    root = make_images(tmp_path / "photos", classes=2, per_class=8)
    (root / "class_0" / "broken.png").write_bytes(b"not an image")
    FILES.update(
        (f"photos/{file.relative_to(root).as_posix()}", file.read_bytes())
        for file in root.rglob("*.png")
    )
    source = MemorySource()
    register_source(source)
    yield root
    unregister_source(source)
    FILES.clear()


def in_memory() -> Location:
    return parse_location(f"{SCHEME}photos")


def test_location_belongs_to_the_new_source(folder: Path) -> None:
    assert isinstance(source_of(in_memory()), MemorySource)
    assert not isinstance(source_of(folder), MemorySource)
    assert not isinstance(source_of(parse_location("s3://bucket")), MemorySource)


def test_listing_and_check_equal_those_of_a_local_folder(folder: Path) -> None:
    check_root(in_memory())
    preflight(load_config(values={"data.root": f"{SCHEME}photos"}))
    assert list_images(in_memory()) == list_images(folder)
    assert count_images(in_memory()) == count_images(folder)
    here, there = check_data(folder), check_data(in_memory())
    assert here is not None
    assert there is not None
    assert {**there.to_dict(), "root": ""} == {**here.to_dict(), "root": ""}


def test_invalid_layout_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="has no class folders; images are directly in it"):
        check_root(parse_location(f"{SCHEME}photos/class_0"))
    with pytest.raises(DataError, match="no such folder"):
        check_root(parse_location(f"{SCHEME}nothing"))


def test_split_equals_that_of_a_local_folder_and_is_verified(folder: Path, tmp_path: Path) -> None:
    here = plan_data(folder, SplitOptions(0.25, seed=1))
    there = plan_data(in_memory(), SplitOptions(0.25, seed=1))
    assert here is not None
    assert there is not None
    assert there.fingerprint == here.fingerprint
    assert there.damaged == here.damaged
    there.write_csv(tmp_path / "split.csv")
    FILES["photos/class_0/new.png"] = FILES.pop("photos/class_0/000.png")
    checked = verify_split(
        in_memory(), tmp_path / "split.csv", lambda done, total: None, lambda: False
    )
    assert checked is not None
    assert checked[1].renamed == ["class_0/000.png -> class_0/new.png"]


@pytest.mark.parametrize("decode_once", [False, True])
def test_images_are_decoded(folder: Path, tmp_path: Path, decode_once: bool) -> None:
    samples = []
    for root in (folder, in_memory()):
        plan = plan_data(root, SplitOptions(0.25, seed=1))
        assert plan is not None
        cache = ImageCache(16, tmp_path / str(root)[:6]) if decode_once else None
        dataset = ImageDataset(plan, "train", pil_to_tensor, seed=1, image_cache=cache)
        dataset = pickle.loads(pickle.dumps(dataset))  # as for a loader worker
        keys = [SampleKey("head", 1, index) for index in range(len(dataset))]
        samples.append([sample.image for sample in dataset.__getitems__(keys)])
    for here, there in zip(*samples, strict=True):
        assert torch.equal(here, there)


def test_prediction_reads_from_the_new_source(folder: Path) -> None:
    assert list(image_paths([f"{SCHEME}photos/class_1"])) == [
        f"{SCHEME}photos/class_1/{number:03d}.png" for number in range(8)
    ]
    assert read_bytes(f"{SCHEME}photos/class_1/000.png") == FILES["photos/class_1/000.png"]


def test_source_is_gone_after_it_was_unregistered() -> None:
    with pytest.raises(DataError, match="fsspec knows no protocol memory-test://"):
        check_root(parse_location(f"{SCHEME}photos"))
