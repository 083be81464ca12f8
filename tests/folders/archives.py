"""Archives."""

import tarfile
import zipfile
from pathlib import Path

from tests.folders.case import Given, case, images


def _zipped(root: Path, separator: str = "/", inside: str = "photos") -> Path:
    top = Path(images(root).data)
    with zipfile.ZipFile(root / "photos.zip", "w") as archive:
        for file in sorted(top.rglob("*.png")):
            name = f"{inside}/{file.relative_to(top).as_posix()}".lstrip("/")
            info = zipfile.ZipInfo("x")
            info.create_system = 0 if separator != "/" else 3
            info.filename = name.replace("/", separator)
            archive.writestr(info, file.read_bytes())
    return root / "photos.zip"


@case(16)
def _an_archive(root: Path) -> Given:
    return Given(f"zip://photos::{_zipped(root)}")


@case(16)
def _an_archive_without_a_folder(root: Path) -> Given:
    return Given(f"zip://::{_zipped(root, inside='')}")


@case(16)
def _an_archive_made_on_windows(root: Path) -> Given:
    return Given(f"zip://photos::{_zipped(root, separator=chr(92))}")


@case(16, refusal="an archive is read with --data zip://FOLDER::photos.zip")
def _an_archive_by_its_path(root: Path) -> Given:
    return Given(str(_zipped(root)))


@case(16)
def _a_tar_archive(root: Path) -> Given:
    top = Path(images(root).data)
    with tarfile.open(root / "photos.tar", "w") as archive:
        archive.add(top, "photos")
    return Given(f"tar://photos::{root / 'photos.tar'}")
