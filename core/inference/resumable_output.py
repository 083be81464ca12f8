"""Append-only file of predictions that a later call resumes."""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from core.common.errors import SetupError, os_error_text
from core.common.files import write_text_atomically
from core.common.text import printable
from core.inference.prediction_rows import PredictionRow, RowFormat

_COMPARED = ("sha256", "precision", "temperature", "top", "form")
"""Metadata that must be equal for all rows of a file."""


class OutputError(SetupError):
    """A file that can't be written or resumed; one line with the reason and a remedy."""


class ResumableOutput:
    """Prediction rows on disk in the order of the images; the last row says where to resume.

    `<file>.about.json` next to it records the model and options of the predictions. Rows are never
    rewritten: a killed process leaves complete rows and at most one truncated row at the end, which
    is removed on resume.
    """

    def __init__(
        self, path: Path, form: RowFormat, metadata: Mapping[str, Any], overwrite: bool = False
    ) -> None:
        """Open or create the file and lock it. `metadata` includes the `sha256` of the checkpoint
        and the `precision`. Raises OutputError if the file is in use, or was written with another
        model or other options and `overwrite` is false."""
        self._path = path
        self._format = form
        self._shown = printable(str(path))
        content = {**metadata, "top": form.top, "form": form.name}
        is_new = overwrite or not path.exists() or path.stat().st_size == 0
        if not is_new:
            self._check_metadata(content)
        try:
            self._file = path.open("a+b")
            self._lock()
            if is_new:
                # In this order: rows never exist with another file's metadata or without any.
                self._file.truncate(0)
                write_text_atomically(metadata_file(path), json.dumps(content, indent=2) + "\n")
        except OSError as error:
            raise self._write_error(error) from None

    def resume(self, paths: Iterable[str]) -> "tuple[Iterator[PredictionRow], Iterator[str]]":
        """Return the rows that are already written, and the paths that remain after them.

        Exhaust the rows first: each is compared with its path, so that added, removed or reordered
        images are detected. A truncated row at the end is removed. Raises OutputError.
        """
        remaining = iter(paths)
        return self._written_rows(remaining), remaining

    def _written_rows(self, paths: Iterator[str]) -> Iterator[PredictionRow]:
        self._file.seek(0)
        header = self._format.header
        if self._file.read(len(header)) != header:
            if self._path.stat().st_size > len(header):
                raise OutputError(f"{self._shown} has other columns; {_REMEDY}")
            self._file.truncate(0)
            self._append(header)
            return
        end = len(header)
        for number, record in enumerate(self._format.records(self._file), 1):
            row = self._parse(record, number)
            path = next(paths, None)
            if path != row.path:
                expected = "none" if path is None else printable(path)
                raise OutputError(
                    f"{self._shown}: row {number} is {printable(row.path)}, but that image is now "
                    f"{expected}: the images or their order have changed; {_REMEDY}"
                )
            end += len(record)
            yield row
        self._file.truncate(end)

    def append(self, rows: Iterable[PredictionRow]) -> None:
        """Append rows and flush them to the operating system. Raises OutputError."""
        self._append(b"".join(map(self._format.encode, rows)))

    def rows(self) -> Iterator[PredictionRow]:
        """Yield all rows of the file."""
        with self._path.open("rb") as file:
            file.seek(len(self._format.header))
            for number, record in enumerate(self._format.records(file), 1):
                yield self._parse(record, number)

    def close(self) -> None:
        """Sync the file to disk and close it, which releases the lock. Raises OutputError."""
        try:
            # Closing writes the remaining buffer, and the disk may be full.
            with self._file:
                os.fsync(self._file.fileno())
        except OSError as error:
            raise self._write_error(error) from None

    def _append(self, data: bytes) -> None:
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise self._write_error(error) from None

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(f"{self._shown} is being written by another process") from None

    def _check_metadata(self, content: Mapping[str, Any]) -> None:
        try:
            before = json.loads(metadata_file(self._path).read_text(encoding="utf-8"))
            differing = [key for key in _COMPARED if before.get(key) != content.get(key)]
        except (OSError, ValueError, AttributeError):
            raise OutputError(f"{self._shown} was not written by this command; {_REMEDY}") from None
        if differing:
            shown = ", ".join(f"{_NAMES[key]} {_short(before.get(key))}" for key in differing)
            raise OutputError(f"{self._shown} was written with {shown}; {_REMEDY}")

    def _parse(self, record: bytes, number: int) -> PredictionRow:
        try:
            return self._format.parse(record)
        except ValueError as error:
            raise OutputError(
                f"{self._shown}: row {number} was not written by this command "
                f"({printable(str(error))}); {_REMEDY}"
            ) from None

    def _write_error(self, error: OSError) -> OutputError:
        return OutputError(f"{self._shown} can't be written: {os_error_text(error)}")


_REMEDY = "give another --out, or --overwrite"
_NAMES = {
    "sha256": "weights",
    "precision": "--precision",
    "temperature": "temperature",
    "top": "--top",
    "form": "format",
}


def metadata_file(path: Path) -> Path:
    """Return the file with the model and options of the rows of `path`."""
    return path.with_name(f"{path.name}.about.json")


def _short(value: object) -> str:
    return printable(str(value))[:16]
