"""Export of the members of a study as CSV."""

import csv
import io

from core.common.text import printable
from core.study.state import StudyState


def members_csv(state: StudyState) -> str:
    """Return the members as CSV, a row each: varied keys, status and results."""
    rows = [member.to_dict() for member in state.members]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)),
                            lineterminator="\n")  # fmt: skip
    writer.writeheader()
    # A journal from elsewhere may contain anything, and this may be printed on a terminal.
    writer.writerows(
        {k: printable(v) if isinstance(v, str) else v for k, v in row.items()} for row in rows
    )
    return text.getvalue()
