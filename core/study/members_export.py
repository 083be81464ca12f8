"""Export of the members of a study as CSV."""

import csv
import io

from core.common.text import printable
from core.study.state import StudyState


def members_csv(state: StudyState) -> str:
    """Return the members as CSV, a row each: varied keys, status and results."""
    rows = [member.to_dict() for member in state.members]
    text = io.StringIO()
    # A trial that was not asked for yet has no values.
    columns = max(rows, key=len, default={})
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    # A journal from elsewhere may contain anything, and this may be printed on a terminal.
    writer.writerows(
        {k: printable(v) if isinstance(v, str) else v for k, v in row.items()} for row in rows
    )
    return text.getvalue()
