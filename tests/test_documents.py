"""README, page of keys and pictures say what the program does."""

import re
from pathlib import Path
from xml.etree import ElementTree

import click
import pytest
from click.testing import CliRunner

from core.config.load import all_keys
from tests.readme_pictures import FOLDER, PICTURES, draw
from tests.tui import classes, scripted
from tests.tui.bindings import all_bindings
from tests.tui.disk import write_run
from tui.cli.key_bindings_page import KEY_SECTIONS, keys_page
from tui.cli.main import cli
from tui.screens.help_guide import FILES

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
LARGEST = 300_000
"""Bytes of a picture."""


def named_pictures() -> list[str]:
    return re.findall(r"!\[[^]]+\]\(\.docs/([^)]+)\)", README)


def test_the_readme_shows_exactly_the_pictures_that_are_made() -> None:
    kept = {path.name for path in FOLDER.glob("*.svg")}
    assert sorted(named_pictures()) == sorted(PICTURES)
    assert kept == set(PICTURES), "rewrite them: python -m tests.readme_pictures"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The pictures of small runs that were never trained."""
    work = tmp_path_factory.mktemp("drawn")
    animals = classes.animals()
    animals.phase("full").epoch("full", 1, 0.4, 0.9).progress("full", 2, 21, 0.3)
    for hour, script in enumerate((scripted.finished(), scripted.failed(), animals), 10):
        write_run(work / "runs", f"20261124-{hour}0000-animals", script.records)
    draw(work / "runs", work / "pictures")
    return {path.name: path.read_text("utf-8") for path in (work / "pictures").iterdir()}


def test_each_picture_shows_its_screen(drawn: dict[str, str]) -> None:
    texts = {name: " ".join(ElementTree.fromstring(svg).itertext()) for name, svg in drawn.items()}
    texts = {name: text.replace("\xa0", " ") for name, text in texts.items()}
    assert set(texts) == set(PICTURES)
    assert "early stopping" in texts["run.svg"]
    assert "running" in texts["run.svg"]
    assert "confusion" in texts["classes.svg"]
    assert "zebras" in texts["classes.svg"]
    assert "runs in runs" in texts["runs.svg"]
    assert "comparing 3 runs" in texts["compare.svg"]


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_fetches_nothing_and_is_small(name: str, drawn: dict[str, str]) -> None:
    for svg in (drawn[name], (FOLDER / name).read_text("utf-8")):
        assert len(svg.encode()) < LARGEST
        assert re.findall(r"https?://[^\"]+|@import|@font-face|url\(|href", svg) == [
            "http://www.w3.org/2000/svg"
        ]
        cells = [text for text in ElementTree.fromstring(svg).iter() if text.tag.endswith("}text")]
        assert cells
        assert all("textLength" in text.attrib for text in cells)


def test_the_page_of_keys_is_what_the_bindings_give() -> None:
    printed = CliRunner().invoke(cli, ["keys", "--app"])
    assert printed.exit_code == 0
    kept = (FOLDER / "KEYS.md").read_text("utf-8")
    assert kept == printed.output, "rewrite it: python -m tui keys --app > .docs/KEYS.md"


def test_the_page_of_keys_has_every_place() -> None:
    with_bindings = {owner for owner, _ in all_bindings()}
    assert with_bindings == {owner for owners in KEY_SECTIONS.values() for owner in owners}
    page = keys_page()
    assert [b.description for _, b in all_bindings() if f"| {b.description} |" not in page] == []


def test_the_readme_tells_of_the_files_of_a_run_as_the_app_does() -> None:
    rows = "\n".join(f"| `{name}` | {text} |" for name, text in FILES.items())
    assert f"| file | holds |\n| --- | --- |\n{rows}\n" in README


def in_code() -> list[str]:
    """What stands in the README's blocks and spans of code."""
    blocks = re.findall(r"```(?:\w+)?\n(.*?)```", README, re.DOTALL)
    spans = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", README, flags=re.DOTALL))
    return [line.split("#")[0] for block in blocks for line in block.splitlines()] + spans


def test_every_subcommand_is_in_the_readme_and_no_other() -> None:
    found = (re.match(r"convnext-tui ([a-z][a-z-]+)", piece) for piece in in_code())
    named = {match[1] for match in found if match}
    assert named == set(cli.commands)


def test_the_options_in_the_readme_exist() -> None:
    known = {
        option
        for command in (cli, *cli.commands.values())
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
    }
    ours = [piece for piece in in_code() if re.match(r"convnext-tui|--|ctl |show |attach ", piece)]
    named = {option for piece in ours for option in re.findall(r"(?<!\S)--[a-z][\w-]*", piece)}
    assert named - known == set()
    assert {"--demo", "--data", "--resume", "--low-bandwidth", "--detach", "--no-ui"} <= named


def test_the_configuration_keys_in_the_readme_exist() -> None:
    sections = {key.split(".")[0] for key in all_keys() if "." in key}
    pattern = re.compile(rf"(?:--set )?((?:{'|'.join(sections)})\.[\w.]+)(?:[=:<>].*)?")
    named = {found[1] for piece in in_code() if (found := pattern.fullmatch(piece))}
    named = {name for name in named if not name.endswith((".py", ".yaml", ".safetensors"))}
    assert named
    assert named - set(all_keys()) == set()


def test_the_links_in_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def keys_in_tables() -> set[str]:
    rows = re.findall(r"^\| key.*?\n\| ---.*?\n((?:\|.*\n)+)", README, re.MULTILINE)
    cells = [line.split("|")[1] for block in rows for line in block.splitlines()]
    return {
        key for cell in cells for key in re.findall(r"`([^`]+)`|\b(space|F2)\b", cell)[0] if key
    }


def test_the_keys_in_the_readme_exist() -> None:
    known = set(re.findall(r"`([^`|]+)`", keys_page())) | {"F2"}
    assert keys_in_tables()
    assert keys_in_tables() <= known
