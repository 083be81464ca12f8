"""A file of predictions that only grows, and that a later call goes on with."""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from core.common.errors import SetupError, os_error_text
from core.common.files import write_text_atomically
from core.common.text import printable
from core.inference.prediction_rows import Row, RowForm

_DECIDES = ("sha256", "precision", "top", "form")
"""What must be the same for rows to stand in one file."""


class OutError(SetupError):
    """A file that can't be gone on with; one line that says why and what to do."""


class OutFile:
    """Rows on the disk in the order of the pictures, which says where to go on.

    `<file>.about.json` beside it says what predicted them. Nothing is ever rewritten: a kill leaves
    whole rows and at most a torn one at the end, which is cut off the next time.
    """

    def __init__(
        self, path: Path, form: RowForm, about: Mapping[str, Any], overwrite: bool = False
    ) -> None:
        """Open or create the file and hold it. `about` is what the predictions come from, with
        the checkpoint's `sha256` and the `precision`. Raises OutError when it is another call's,
        or of other weights or options, unless it may be overwritten."""
        self._path = path
        self._form = form
        self._shown = printable(str(path))
        whole = {**about, "top": form.top, "form": form.name}
        is_new = overwrite or not path.exists() or path.stat().st_size == 0
        if not is_new:
            self._refuse_others(whole)
        try:
            self._file = path.open("a+b")
            self._hold()
            if is_new:
                # In this order: rows are never beside another file's description, nor without one.
                self._file.truncate(0)
                write_text_atomically(about_file(path), json.dumps(whole, indent=2) + "\n")
        except OSError as error:
            raise self._failed(error) from None

    def after_done(self, paths: Iterable[str]) -> "tuple[Iterator[Row], Iterator[str]]":
        """Return the rows that are there already, and the paths that come after them.

        The rows must be read to their end first: each is compared with its path, so that pictures
        which came, went or changed their order are noticed. A torn row at the end is cut off.
        Raises OutError.
        """
        left = iter(paths)
        return self._done(left), left

    def _done(self, paths: Iterator[str]) -> Iterator[Row]:
        self._file.seek(0)
        head = self._form.head
        if self._file.read(len(head)) != head:
            if self._path.stat().st_size > len(head):
                raise OutError(f"{self._shown} has other columns; {_ADVICE}")
            self._file.truncate(0)
            self._append(head)
            return
        end = len(head)
        for number, record in enumerate(self._form.records(self._file), 1):
            row = self._parse(record, number)
            path = next(paths, None)
            if path != row.path:
                there = "none" if path is None else printable(path)
                raise OutError(
                    f"{self._shown}: row {number} is {printable(row.path)}, where the pictures now "
                    f"have {there}: they or their order have changed; {_ADVICE}"
                )
            end += len(record)
            yield row
        self._file.truncate(end)

    def append(self, rows: Iterable[Row]) -> None:
        """Add rows at the end; they are with the system when this returns. Raises OutError."""
        self._append(b"".join(map(self._form.line, rows)))

    def rows(self) -> Iterator[Row]:
        """Yield all rows that are there."""
        with self._path.open("rb") as file:
            file.seek(len(self._form.head))
            for number, record in enumerate(self._form.records(file), 1):
                yield self._parse(record, number)

    def close(self) -> None:
        """Have everything on the disk and let go of the file."""
        try:
            # Closing writes what is left, and the disk may be full.
            with self._file:
                os.fsync(self._file.fileno())
        except OSError as error:
            raise self._failed(error) from None

    def _append(self, data: bytes) -> None:
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise self._failed(error) from None

    def _hold(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutError(f"{self._shown} is being written by another process") from None

    def _refuse_others(self, about: Mapping[str, Any]) -> None:
        try:
            before = json.loads(about_file(self._path).read_text(encoding="utf-8"))
            differing = [key for key in _DECIDES if before.get(key) != about[key]]
        except (OSError, ValueError, AttributeError):
            raise OutError(f"{self._shown} is not a file of this command's; {_ADVICE}") from None
        if differing:
            told = ", ".join(f"{_NAMES[key]} {_short(before.get(key))}" for key in differing)
            raise OutError(f"{self._shown} was written with {told}; {_ADVICE}")

    def _parse(self, record: bytes, number: int) -> Row:
        try:
            return self._form.parse(record)
        except ValueError as error:
            raise OutError(
                f"{self._shown}: row {number} is none of this command's ({printable(str(error))}); "
                f"{_ADVICE}"
            ) from None

    def _failed(self, error: OSError) -> OutError:
        return OutError(f"{self._shown} can't be written: {os_error_text(error)}")


_ADVICE = "give another --out, or --overwrite"
_NAMES = {"sha256": "the weights", "precision": "--precision", "top": "--top", "form": "the form"}


def about_file(path: Path) -> Path:
    """Return the name of the file that says what predicted the rows of `path`."""
    return path.with_name(f"{path.name}.about.json")


def _short(value: object) -> str:
    return printable(str(value))[:16]
