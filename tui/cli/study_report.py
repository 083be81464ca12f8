"""Print a study as a table, JSON or CSV."""

import json

import click

from core.common.codec import to_jsonable
from core.study.definition import Study
from core.study.members_export import members_csv
from core.study.state import read_state
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
        click.echo(members_csv(state), nl=False)
    else:
        print_study(open_console(), state, read_figures(study))
