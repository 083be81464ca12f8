"""`history.csv`: one row per epoch, rewritten atomically as a whole."""

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path

from core.common.files import write_text_atomically
from core.events.types import EpochEnded

COLUMNS = [field.name for field in fields(EpochEnded)]


def csv_text(rows: Iterable[EpochEnded]) -> str:
    """Return epochs as CSV: a header, then one row per epoch."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue()


class History:
    """The epochs of a run, in a file that pandas.read_csv opens."""

    def __init__(self, path: Path | None, rows: Iterable[EpochEnded] = ()) -> None:
        """`rows` are the epochs of a resumed run. With `path` None nothing is written: rank 0 does
        it."""
        self.error: OSError | None = None
        """Why the file lacks rows; None while it is complete."""
        self._path = path
        self._rows = list(rows)

    def add(self, epoch: EpochEnded) -> None:
        """Append a row; never fails, see `error`."""
        self._rows.append(epoch)
        self.write()

    def write(self) -> None:
        """Write the whole file; never fails, see `error`."""
        try:
            if self._path is not None:
                write_text_atomically(self._path, csv_text(self._rows))
            self.error = None
        except OSError as error:
            self.error = error

    def epochs(self, phase: str) -> int:
        """Return the number of completed epochs of a phase."""
        return sum(row.phase == phase for row in self._rows)
