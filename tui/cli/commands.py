"""List the subcommands. To add one, write it in a new file here and add its entry to COMMANDS."""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click

from core.common.errors import SetupError


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """Where a subcommand is defined, and its line in `convnext-tui --help`."""

    target: str
    """`module:name` of the click command; imported when the command is called."""
    summary: str
    """The first sentence of the command's help."""


COMMANDS: dict[str, CommandEntry] = {
    "attach": CommandEntry("tui.cli.attach:attach", "Show and steer a run of another process."),
    "cache": CommandEntry("tui.cli.cache:cache", "Show or clear the cache."),
    "check": CommandEntry("tui.cli.check:check", "Check a folder of images before training."),
    "compare": CommandEntry("tui.cli.compare:compare", "Compare two to eight runs."),
    "ctl": CommandEntry("tui.cli.ctl:ctl", "Send a command to a run or study of another process."),
    "evaluate": CommandEntry("tui.cli.evaluate:evaluate", "Evaluate a run's model on images."),
    "explain": CommandEntry("tui.cli.explain:explain", "Explain predictions with Grad-CAM."),
    "export": CommandEntry("tui.cli.export:export", "Export a run's model for other programs."),
    "export-logs": CommandEntry("tui.cli.export_logs:export_logs", "Export a run's metrics."),
    "keys": CommandEntry("tui.cli.keys:keys", "List the config keys with their defaults."),
    "lr-find": CommandEntry("tui.cli.lr_find:lr_find", "Find a learning rate with a range test."),
    "predict": CommandEntry("tui.cli.predict:predict", "Predict the classes of images."),
    "queue": CommandEntry("tui.cli.queue:queue", "Queue runs that start one after the other."),
    "runs": CommandEntry("tui.cli.runs:runs", "List runs, newest first."),
    "serve": CommandEntry("tui.cli.serve:serve", "Show the runs read-only in a browser."),
    "settings": CommandEntry("tui.cli.settings:settings", "Show or change the app's settings."),
    "show": CommandEntry("tui.cli.show:show", "Print one run with its charts."),
    "sweep": CommandEntry("tui.cli.sweep:sweep", "Search for the best values of config keys."),
    "trash": CommandEntry("tui.cli.trash:trash", "List, restore or delete trashed runs."),
}


class CommandTable(MutableMapping[str, click.Command]):
    """The subcommands by name, each imported on first access."""

    def __init__(self, entries: dict[str, CommandEntry]) -> None:
        self._entries = entries
        self._added: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        """Return a command; raises KeyError for an unknown name."""
        if name in self._added:
            return self._added[name]
        module, _, attribute = self._entries[name].target.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._added[name] = command

    def __delitem__(self, name: str) -> None:
        del self._added[name]

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys((*self._entries, *self._added))

    def __len__(self) -> int:
        return len({*self._entries, *self._added})

    def summary(self, name: str) -> str:
        """Return a command's line of help, without importing the command where it has an entry."""
        if name in self._entries:
            return self._entries[name].summary
        return self[name].get_short_help_str(limit=80)


_STARTING = ("train", "fit", "start", "run", "new")
"""Commands of other programs that start a training."""


class OutputClosed(Exception):
    """The reader of the output has exited. Not an OSError: click exits with 1 for those."""


@contextmanager
def _closed_output() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise OutputClosed from None
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # rich exits with 1
            raise OutputClosed from None
        raise


class LazyGroup(click.Group):
    """A click group whose subcommands are imported when they are called, not for `--help`.

    Raises OutputClosed from all of them.
    """

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self.table = CommandTable(COMMANDS)
        self.commands = self.table

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Parse the arguments, and print the help if they ask for it."""
        with _closed_output():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _closed_output():
            return super().invoke(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command; names what starts a run where a command of that name is sought."""
        if args and args[0] in _STARTING and args[0] not in self.table:
            raise SetupError(
                f"there is no command {args[0]}: `convnext-tui --data DIR` starts a run"
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.table.summary(name)) for name in sorted(self.table)])
