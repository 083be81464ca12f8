"""Write the generated parts of the documentation; a test compares them with what is committed.

    python -m tests.tools.write_docs

Generated: `.docs/guide/{keys,config-keys,cli}.md`, and the blocks between `<!-- NAME -->` and
`<!-- end -->` of other pages (the files of a run, the file tree of the architecture page).
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from click.testing import CliRunner

from tui.cli.main import cli
from tui.screens.help_guide import FILES

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / ".docs"
GUIDE = DOCS / "guide"
_WIDTH = "80"


def pages() -> dict[Path, str]:
    """Return every page that has a generated part, with its current content."""
    whole = {
        GUIDE / "keys.md": _printed("keys", "--app"),
        GUIDE / "config-keys.md": config_keys_page(),
        GUIDE / "cli.md": command_line_page(),
    }
    blocks: dict[Path, dict[str, Callable[[], str]]] = {
        GUIDE / "run-files.md": {"files of a run": run_files_table},
        DOCS / "ARCHITECTURE.md": {"file tree": file_tree},
    }
    return whole | {path: _filled(path, makers) for path, makers in blocks.items()}


def config_keys_page() -> str:
    """Return the page of configuration keys, from the schema's documentation."""
    return (
        "# Configuration keys\n\n"
        "Generated from `convnext-tui keys`. Set a key with `--set KEY=VALUE` or in a YAML file\n"
        "for `--config`; the values below are the defaults.\n\n"
        f"```\n{_printed('keys')}```\n"
    )


def command_line_page() -> str:
    """Return the page of commands, from their `--help`."""
    helps = [("convnext-tui", _printed("--help"))]
    helps += [(" ".join(path), _printed(*path, "--help")) for path, _ in subcommands()]
    sections = [f"## {title}\n\n```\n{text}```\n" for title, text in helps]
    return "\n".join(["# Command line\n\nGenerated from `--help`.\n", *sections])


def subcommands(
    group: click.Group = cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield all subcommands by name, each with its words, those of a group after the group."""
    context = click.Context(group)
    for name in sorted(group.list_commands(context)):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from subcommands(command, (*path, name))


def run_files_table() -> str:
    """Return the table of the files in a run folder, from the app's help."""
    rows = "\n".join(f"| `{name}` | {text} |" for name, text in FILES.items())
    return f"| file | content |\n| --- | --- |\n{rows}"


def file_tree() -> str:
    """Return every package and module of the program with the first sentence of its docstring."""
    lines: list[str] = []
    for top in ("core", "tui"):
        lines += _tree_lines(ROOT / top, 0)
    return "```\n" + "\n".join(lines) + "\n```"


def _tree_lines(folder: Path, depth: int) -> Iterator[str]:
    pad = "  " * depth
    yield f"{pad}{folder.name + '/':<{28 - len(pad)}}{_summary(folder / '__init__.py')}"
    for file in sorted(folder.glob("*.py")):
        if file.name != "__init__.py":
            yield f"{pad}  {file.name:<{26 - len(pad)}}{_summary(file)}"
    for sub in sorted(folder.iterdir()):
        if (sub / "__init__.py").exists():
            yield from _tree_lines(sub, depth + 1)


def _summary(file: Path) -> str:
    text = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    first = " ".join(text.split("\n\n")[0].split())
    sentence = re.match(r".*?\.(?=\s|$)", first)
    return (sentence[0] if sentence else first).rstrip(".")


def _printed(*arguments: str) -> str:
    result = CliRunner(env={"COLUMNS": _WIDTH, "TERM": "dumb"}).invoke(
        cli, list(arguments), prog_name="convnext-tui", terminal_width=int(_WIDTH)
    )
    assert result.exit_code == 0, result.output
    text = "\n".join(line.rstrip() for line in result.output.splitlines()) + "\n"
    # click caches a command's help option as it was first called: alone it has no `-h`.
    return re.sub(r"^  --help {4}", "  -h, --help", text, flags=re.MULTILINE)


def _filled(path: Path, makers: dict[str, Callable[[], str]]) -> str:
    text = path.read_text("utf-8")
    for name, make in makers.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        assert pattern.search(text), f"{path.name} lacks <!-- {name} --> … <!-- end -->"
        body = make()
        text = pattern.sub(lambda found, body=body: f"{found[1]}{body}\n{found[2]}", text)
    return text


if __name__ == "__main__":
    for path, content in pages().items():
        path.write_text(content, "utf-8")
        print(path.relative_to(ROOT))
