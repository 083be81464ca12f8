"""A subcommand takes one file and one entry in the table of commands."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.tui.command import run
from tui.cli.commands import COMMANDS, CommandEntry
from tui.cli.main import cli

GREET = '''
import click

from tui.cli.options import runs_dir_option


@click.command()
@click.argument("name")
@runs_dir_option
def greet(name, runs_dir):
    """Greet someone. Prints one line."""
    click.echo(f"hello {name}, runs are in {runs_dir}")
'''


@pytest.fixture
def greet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command in a module of another package, with its entry."""
    (tmp_path / "greeting.py").write_text(GREET)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(COMMANDS, "greet", CommandEntry("greeting:greet", "Greet someone."))
    yield
    sys.modules.pop("greeting", None)


@pytest.mark.usefixtures("greet")
def test_a_new_command_runs_with_the_shared_options() -> None:
    called = CliRunner().invoke(cli, ["--runs-dir", "elsewhere", "greet", "you"])
    assert (called.exit_code, called.output) == (0, "hello you, runs are in elsewhere\n")


@pytest.mark.usefixtures("greet")
def test_help_lists_a_new_command_without_importing_it() -> None:
    printed = CliRunner().invoke(cli, ["--help"]).output
    assert "greet" in printed
    assert "Greet someone." in printed
    assert "greeting" not in sys.modules


def test_an_unknown_command_is_invalid_usage(tmp_path: Path) -> None:
    done = run("gret", cwd=tmp_path)
    assert (done.returncode, "No such command 'gret'" in done.stderr) == (2, True)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_summary_is_the_first_sentence_of_the_help(name: str) -> None:
    command = cli.commands[name]
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.get_short_help_str(limit=200) == COMMANDS[name].summary
