"""Write and parse predictions as CSV or JSON lines, one record per image."""

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
class PredictionRow:
    """The prediction for one image."""

    path: str
    """As it was given."""
    ranked: Sequence[tuple[str, float]] = ()
    """Class names with their probabilities, 0 to 1, the most probable first; empty for an
    unreadable image."""
    error: str = ""
    """Why the image can't be read."""

    @property
    def label(self) -> str:
        """The predicted class; empty if there is none."""
        return self.ranked[0][0] if self.ranked else ""

    @property
    def confidence(self) -> float:
        """The predicted class's probability; NaN if there is none."""
        return self.ranked[0][1] if self.ranked else float("nan")


class RowFormat(ABC):
    """File format of prediction rows, for writing and for parsing them on resume."""

    name: str

    def __init__(self, top: int) -> None:
        """`top` is the number of classes per image."""
        self.top = top

    @property
    @abstractmethod
    def header(self) -> bytes:
        """Content of the file before the first row."""

    @abstractmethod
    def encode(self, row: PredictionRow) -> bytes:
        """Return a row as one record, including the line break."""

    @abstractmethod
    def parse(self, record: bytes) -> PredictionRow:
        """Return the row of a complete record; raises ValueError."""

    @staticmethod
    def is_complete(record: bytes) -> bool:
        """Whether the line break at the end of `record` also ends the record."""
        return True

    def records(self, file: BinaryIO) -> Iterator[bytes]:
        """Yield the complete records from the current position of `file`; a truncated last record
        is left out."""
        record = b""
        for line in file:
            record += line
            if line.endswith(b"\n") and self.is_complete(record):
                yield record
                record = b""


class CsvFormat(RowFormat):
    """Columns path, label, confidence, label_2, confidence_2, …, error."""

    name = "csv"

    @property
    def header(self) -> bytes:
        """The column names."""
        more = [f"{name}_{rank}" for rank in range(2, self.top + 1) for name in _PAIR]
        return (",".join(["path", *_PAIR, *more, "error"]) + "\n").encode()

    def encode(self, row: PredictionRow) -> bytes:
        """Return a row as one record; probabilities have six digits."""
        cells: list[object] = [cell for name, p in row.ranked for cell in (name, _rounded(p))]
        cells += [""] * (2 * self.top - len(cells))
        text = io.StringIO()
        # Always quoted: by default, csv doesn't quote a name that contains a carriage return.
        writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow([row.path, *cells, row.error])
        return os.fsencode(text.getvalue())

    def parse(self, record: bytes) -> PredictionRow:
        """Return the row of a complete record; raises ValueError."""
        (cells,) = csv.reader([os.fsdecode(record)], strict=True)
        if len(cells) != 2 * self.top + 2:
            raise ValueError(f"{len(cells)} columns")
        names, values = cells[1:-1:2], cells[2:-1:2]
        ranked = [(n, float(v)) for n, v in zip(names, values, strict=True) if v]
        return PredictionRow(cells[0], ranked, cells[-1])

    @staticmethod
    def is_complete(record: bytes) -> bool:
        """Whether the line break at the end of `record` is not inside a quoted cell."""
        # Quotes in a cell are doubled: inside a cell with a line break their number is odd.
        return record.count(b'"') % 2 == 0


class JsonlFormat(RowFormat):
    """One object per line: path, label, confidence, top (label, confidence) and error."""

    name = "jsonl"
    header = b""

    def encode(self, row: PredictionRow) -> bytes:
        """Return a row as one record; probabilities have six digits."""
        top = [{"label": name, "confidence": _rounded(p)} for name, p in row.ranked]
        first = top[0] if top else {"label": "", "confidence": None}
        content = {"path": row.path, **first, "top": top, "error": row.error}
        return json.dumps(content).encode() + b"\n"

    def parse(self, record: bytes) -> PredictionRow:
        """Return the row of a complete record; raises ValueError."""
        try:
            content = json.loads(record)
            ranked = [(str(one["label"]), float(one["confidence"])) for one in content["top"]]
            return PredictionRow(str(content["path"]), ranked, str(content["error"]))
        except (KeyError, TypeError) as error:
            raise ValueError(str(error)) from None


_PAIR = ("label", "confidence")
ROW_FORMATS: dict[str, type[RowFormat]] = {".csv": CsvFormat, ".jsonl": JsonlFormat}
"""By the suffix of the file."""


def row_format_for(file: Path, top: int) -> RowFormat:
    """Return the format for a file's suffix; raises SetupError."""
    try:
        return ROW_FORMATS[file.suffix.lower()](top)
    except KeyError:
        raise SetupError(
            f"--out {printable(str(file))}: the name must end in {' or '.join(ROW_FORMATS)}"
        ) from None


def _rounded(probability: float) -> float:
    return round(float(probability), _DIGITS)
