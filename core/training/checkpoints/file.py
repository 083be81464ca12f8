"""Checkpoint files: written atomically with a checksum file, verified when read."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch

from core.common.errors import UserError
from core.common.files import link_or_copy, write_atomically, write_text_atomically

FORMAT = 1
_BLOCK = 1 << 20


class DamagedCheckpoint(UserError):
    """A damaged checkpoint file; the message has its name and the reason."""


def write_checkpoint(path: Path, content: Mapping[str, Any], keep: Path | None = None) -> int:
    """Write a checkpoint atomically, with its SHA-256 in `<path>.sha256`; returns its size.

    The previous file at `path` is copied to `keep`, if given. A crash at any moment leaves a file
    that matches its checksum. Raises OSError and then leaves all files unchanged.
    """
    hashed = hashlib.sha256()

    def write(file: BinaryIO) -> None:
        _save({"format": FORMAT, **content}, _HashingFile(file, hashed))

    def before_replace() -> None:
        if keep is not None and path.exists():
            _keep_previous(path, keep)
        # List the checksums of the new and the old file, whichever a crash leaves.
        sums = [hashed.hexdigest(), *_sums(path)[:1]]
        text = "".join(f"{value}  {path.name}\n" for value in sums)
        write_text_atomically(_sums_file(path), text)

    return write_atomically(path, write, before_replace)


def copy_checkpoint(source: Path, target: Path) -> int:
    """Copy a checkpoint over another one; returns its size. Raises OSError."""
    sums = [*_sums(source)[:1], *_sums(target)[:1]]
    text = "".join(f"{value}  {target.name}\n" for value in sums)
    write_text_atomically(_sums_file(target), text)
    link_or_copy(source, target)
    return target.stat().st_size


def remove_checkpoint(path: Path) -> None:
    """Delete a checkpoint and its checksum file. Raises OSError."""
    path.unlink(missing_ok=True)
    _sums_file(path).unlink(missing_ok=True)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the content of a checkpoint whose checksum matches; tensors are on the CPU.

    Loads only tensors and plain types (`weights_only`). Raises DamagedCheckpoint, or OSError if the
    file can't be read.
    """
    expected = _sums(path)
    if path.stat().st_size == 0:
        raise DamagedCheckpoint(f"{path.name} is empty")
    if not expected:
        raise DamagedCheckpoint(f"{path.name} has no checksum file")
    if digest(path) not in expected:
        raise DamagedCheckpoint(f"{path.name} doesn't match its checksum: truncated or modified")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception:  # torch's reader raises nearly anything on malformed input
        raise DamagedCheckpoint(f"{path.name} is not a checkpoint of this program") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DamagedCheckpoint(f"{path.name} was not written by this program")
    return content


class _HashingFile:
    """File object that hashes the data it writes and stores the error of a failed write."""

    def __init__(self, file: BinaryIO, digest: Any) -> None:
        self._file = file
        self._digest = digest
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            self._file.write(data)
        except OSError as error:
            self.error = error
            raise
        self._digest.update(data)
        return len(data)

    def flush(self) -> None:
        self._file.flush()


def _save(content: Mapping[str, Any], file: _HashingFile) -> None:
    try:
        torch.save(dict(content), file)  # type: ignore[arg-type]
    except RuntimeError:
        # torch raises its own error for a failed write, without the reason.
        if file.error is not None:
            raise file.error from None
        raise


def _keep_previous(path: Path, keep: Path) -> None:
    # A damaged file must not replace the intact one before it.
    if digest(path) in _sums(path):
        copy_checkpoint(path, keep)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file in hex. Raises OSError."""
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            hashed.update(block)
    return hashed.hexdigest()


def _sums_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _sums(path: Path) -> list[str]:
    try:
        lines = _sums_file(path).read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
    return [line.split()[0] for line in lines if line.strip()]
