"""One checkpoint on the disk: whole, with its checksum beside it, or named as damaged."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch

from core.common.files import link_or_copy, write_atomically, write_text_atomically

FORMAT = 1
_BLOCK = 1 << 20


class DamagedCheckpoint(ValueError):
    """A file that can't be trusted; the message names it and says why."""


def write_checkpoint(path: Path, content: Mapping[str, Any], keep: Path | None = None) -> int:
    """Write a checkpoint atomically, with its SHA-256 in `<path>.sha256`; returns its size.

    What stood at `path` goes to `keep`, if given. A crash at any moment leaves a pair of file
    and checksum that fit. Raises OSError, leaving all files as they were.
    """
    hashed = hashlib.sha256()

    def write(file: BinaryIO) -> None:
        _save({"format": FORMAT, **content}, _Hashed(file, hashed))

    def before_replace() -> None:
        if keep is not None and path.exists():
            _keep_generation(path, keep)
        # Both the coming and the standing file fit this list, whichever a crash leaves.
        sums = [hashed.hexdigest(), *_sums(path)[:1]]
        text = "".join(f"{value}  {path.name}\n" for value in sums)
        write_text_atomically(_sums_file(path), text)

    return write_atomically(path, write, before_replace)


def copy_checkpoint(source: Path, target: Path) -> int:
    """Put a checkpoint also in the place of another; returns its size; raises OSError."""
    sums = [*_sums(source)[:1], *_sums(target)[:1]]
    text = "".join(f"{value}  {target.name}\n" for value in sums)
    write_text_atomically(_sums_file(target), text)
    link_or_copy(source, target)
    return target.stat().st_size


def remove_checkpoint(path: Path) -> None:
    """Delete a checkpoint and its checksum; raises OSError."""
    path.unlink(missing_ok=True)
    _sums_file(path).unlink(missing_ok=True)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return a checkpoint's content after its checksum was verified; tensors are on the CPU.

    Only tensors and plain types are read (`weights_only`). Raises DamagedCheckpoint, or OSError
    when the file can't be read at all.
    """
    expected = _sums(path)
    if path.stat().st_size == 0:
        raise DamagedCheckpoint(f"{path.name} is empty")
    if not expected:
        raise DamagedCheckpoint(f"{path.name} has no checksum beside it")
    if digest(path) not in expected:
        raise DamagedCheckpoint(f"{path.name} doesn't fit its checksum: cut short or changed")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # torch's reader raises nearly anything on malformed input
        raise DamagedCheckpoint(f"{path.name} is no checkpoint: {error}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DamagedCheckpoint(f"{path.name} was not written by this program")
    return content


class _Hashed:
    """A file that is hashed as it is written, and that remembers why a write failed."""

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


def _save(content: Mapping[str, Any], file: _Hashed) -> None:
    try:
        torch.save(dict(content), file)  # type: ignore[arg-type]
    except RuntimeError:
        # torch reports a failed write as an error of its own and loses the reason.
        if file.error is not None:
            raise file.error from None
        raise


def _keep_generation(path: Path, keep: Path) -> None:
    if _digest_fits(path):
        copy_checkpoint(path, keep)


def _digest_fits(path: Path) -> bool:
    # A damaged file must not push out the good one before it.
    return digest(path) in _sums(path)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hex; raises OSError."""
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
