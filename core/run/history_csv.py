"""`history.csv`: one row an epoch, rewritten whole and atomically."""

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path

from core.common.files import write_text_atomically
from core.events.types import EpochEnded

COLUMNS = [field.name for field in fields(EpochEnded)]


def csv_text(rows: Iterable[EpochEnded]) -> str:
    """Return epochs as the file has them: a line of column names, then one an epoch."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue()


class History:
    """The epochs of a run, kept in a file that pandas.read_csv opens."""

    def __init__(self, path: Path | None, rows: Iterable[EpochEnded] = ()) -> None:
        """`rows` are the epochs of a run that goes on. None writes nothing: another rank does."""
        self.error: OSError | None = None
        """Why the file lacks rows; None while it is whole."""
        self._path = path
        self._rows = list(rows)

    def add(self, epoch: EpochEnded) -> None:
        """Append a row; never fails, see `error`."""
        self._rows.append(epoch)
        self.write()

    def write(self) -> None:
        """Write the file as a whole; never fails, see `error`."""
        try:
            if self._path is not None:
                write_text_atomically(self._path, csv_text(self._rows))
            self.error = None
        except OSError as error:
            self.error = error

    def epochs(self, phase: str) -> int:
        """Return how many epochs of a phase are done."""
        return sum(row.phase == phase for row in self._rows)
