"""Predictions as lines of a file: CSV or JSON, one picture a record."""

import csv
import io
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from core.common.errors import SetupError
from core.common.text import printable

_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Row:
    """What is predicted for one picture."""

    path: str
    """As it was given."""
    ranked: Sequence[tuple[str, float]] = ()
    """Class names with their probabilities, 0 to 1, the most probable first; empty where the
    picture can't be read."""
    error: str = ""
    """Why it can't be read."""

    @property
    def label(self) -> str:
        """The predicted class; empty where there is none."""
        return self.ranked[0][0] if self.ranked else ""

    @property
    def confidence(self) -> float:
        """The predicted class's probability; NaN where there is none."""
        return self.ranked[0][1] if self.ranked else float("nan")


class RowForm(ABC):
    """How rows are written, and read again to go on after them."""

    name: str

    def __init__(self, top: int) -> None:
        """`top` classes are written for each picture."""
        self.top = top

    @property
    @abstractmethod
    def head(self) -> bytes:
        """What stands before the first row."""

    @abstractmethod
    def line(self, row: Row) -> bytes:
        """Return a row as it is written, line break included."""

    @abstractmethod
    def parse(self, record: bytes) -> Row:
        """Return the row of a whole record; raises ValueError."""

    @staticmethod
    def is_whole(record: bytes) -> bool:
        """Whether a record that ends with a line break ends there."""
        return True

    def records(self, file: BinaryIO) -> Iterator[bytes]:
        """Yield the whole records from where the file stands; a torn one at its end is left out."""
        record = b""
        for line in file:
            record += line
            if line.endswith(b"\n") and self.is_whole(record):
                yield record
                record = b""


class CsvForm(RowForm):
    """Columns path, label, confidence, label_2, confidence_2, …, error."""

    name = "csv"

    @property
    def head(self) -> bytes:
        """The columns' names."""
        more = [f"{name}_{rank}" for rank in range(2, self.top + 1) for name in _PAIR]
        return (",".join(["path", *_PAIR, *more, "error"]) + "\n").encode()

    def line(self, row: Row) -> bytes:
        """Return a row as one record; probabilities have six digits."""
        cells: list[object] = [cell for name, p in row.ranked for cell in (name, _rounded(p))]
        cells += [""] * (2 * self.top - len(cells))
        text = io.StringIO()
        # Quoted always: left to itself, csv doesn't quote a name for a carriage return in it.
        writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow([row.path, *cells, row.error])
        return os.fsencode(text.getvalue())

    def parse(self, record: bytes) -> Row:
        """Return the row of a whole record; raises ValueError."""
        (cells,) = csv.reader([os.fsdecode(record)], strict=True)
        if len(cells) != 2 * self.top + 2:
            raise ValueError(f"{len(cells)} columns")
        names, values = cells[1:-1:2], cells[2:-1:2]
        ranked = [(n, float(v)) for n, v in zip(names, values, strict=True) if v]
        return Row(cells[0], ranked, cells[-1])

    @staticmethod
    def is_whole(record: bytes) -> bool:
        """Whether the line break at the end is not one within a cell."""
        # A quote within a cell is written twice: inside a cell with a line break they are odd.
        return record.count(b'"') % 2 == 0


class JsonlForm(RowForm):
    """One object a line: path, label, confidence, top (label, confidence) and error."""

    name = "jsonl"
    head = b""

    def line(self, row: Row) -> bytes:
        """Return a row as one record; probabilities have six digits."""
        top = [{"label": name, "confidence": _rounded(p)} for name, p in row.ranked]
        first = top[0] if top else {"label": "", "confidence": None}
        whole = {"path": row.path, **first, "top": top, "error": row.error}
        return json.dumps(whole).encode() + b"\n"

    def parse(self, record: bytes) -> Row:
        """Return the row of a whole record; raises ValueError."""
        try:
            found = json.loads(record)
            ranked = [(str(one["label"]), float(one["confidence"])) for one in found["top"]]
            return Row(str(found["path"]), ranked, str(found["error"]))
        except (KeyError, TypeError) as error:
            raise ValueError(str(error)) from None


_PAIR = ("label", "confidence")
FORMS: dict[str, type[RowForm]] = {".csv": CsvForm, ".jsonl": JsonlForm}


def form_for(file: Path, top: int) -> RowForm:
    """Return the form that a file's name asks for; raises SetupError."""
    try:
        return FORMS[file.suffix.lower()](top)
    except KeyError:
        raise SetupError(
            f"--out {printable(str(file))}: the name must end in {' or '.join(FORMS)}"
        ) from None


def _rounded(probability: float) -> float:
    return round(float(probability), _DIGITS)
