"""Print a study as a table, JSON or CSV."""

import csv
import io
import json

import click

from core.common.codec import to_jsonable
from core.common.text import printable
from core.study.definition import Study
from core.study.state import StudyState, read_state
from tui.cli.console import open_console


def print_study_as(study: Study, output: str | None) -> None:
    """Print the members of a study: as `json`, as `csv`, or else as a table; raises SetupError."""
    from core.study.out_of_fold import read_figures
    from tui.text.study_table import print_study

    state = read_state(study)
    if output == "json":
        content = {**state.to_dict(), "out_of_fold": read_figures(study)}
        click.echo(json.dumps(to_jsonable(content), allow_nan=False, indent=2))
    elif output == "csv":
        click.echo(_csv(state), nl=False)
    else:
        print_study(open_console(), state, read_figures(study))


def _csv(state: StudyState) -> str:
    rows = [member.to_dict() for member in state.members]
    text = io.StringIO()
    # A trial that was not asked for yet has no values.
    columns = max(rows, key=len)
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    # A journal from elsewhere may contain anything, and this may be printed on a terminal.
    writer.writerows(
        {k: printable(v) if isinstance(v, str) else v for k, v in row.items()} for row in rows
    )
    return text.getvalue()
