"""Tests that add one thing of each kind from outside, and take it away again.

Options of the command line list what there is when their module is imported: all are imported here,
before anything is added.
"""

from importlib import import_module

from tui.cli.commands import COMMANDS

for _entry in COMMANDS.values():
    import_module(_entry.target.partition(":")[0])
