"""Tables as CSV text.

For tables that are complete when they are written. What is written row by row (predictions), or
after each epoch (`history.csv`), doesn't import pandas for it.
"""

import csv
from collections.abc import Iterable, Sequence
from typing import Any, Literal


def csv_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    quoting: Literal[0, 1] = csv.QUOTE_MINIMAL,
) -> str:
    """Return a table as CSV text: a header, then a line per row.

    None is an empty cell; NaN is the cell `nan`, since pandas writes the same for both.
    """
    import pandas as pd

    cells = [["nan" if cell != cell else cell for cell in row] for row in rows]
    table = pd.DataFrame(cells, columns=list(columns), dtype=object)
    return table.to_csv(index=False, lineterminator="\n", quoting=quoting)
