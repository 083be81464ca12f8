"""README, guide and images agree with the program."""

import re
from pathlib import Path
from xml.etree import ElementTree

import click
import pytest

from core.config.key_docs import all_keys
from tests.readme_images import FOLDER, SCREENSHOTS, draw
from tests.tools.write_docs import DOCS, GUIDE, ROOT, pages, subcommands
from tests.tui import classes, scripted
from tests.tui.bindings import all_bindings
from tests.tui.disk import write_run
from tui.cli.key_bindings_page import KEY_SECTIONS, key_bindings_page
from tui.cli.main import cli

README = ROOT / "README.md"
WRITTEN = [README, *sorted(DOCS.rglob("*.md"))]
"""All pages."""
GENERATED = {GUIDE / "keys.md", GUIDE / "config-keys.md", GUIDE / "cli.md"}
BY_HAND = [page for page in WRITTEN if page not in GENERATED]
TEXT = "\n".join(page.read_text("utf-8") for page in BY_HAND)
LARGEST = 300_000
"""Bytes of an image."""
MOST_LINES = 200


def test_the_readme_is_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= MOST_LINES


def test_the_documents_show_exactly_the_images_that_are_made() -> None:
    named = re.findall(r"!\[[^]]+\]\((?:\.docs/|\.\./)([^)]+\.svg)\)", TEXT)
    kept = {path.name for path in FOLDER.glob("*.svg")}
    assert sorted(named) == sorted(SCREENSHOTS)
    assert kept == set(SCREENSHOTS)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The images, of small runs that were never trained."""
    work = tmp_path_factory.mktemp("drawn")
    animals = classes.animals()
    animals.phase("full").epoch("full", 1, 0.4, 0.9).progress("full", 2, 21, 0.3)
    for hour, script in enumerate((scripted.finished(), scripted.failed(), animals), 10):
        write_run(work / "runs", f"20261124-{hour}0000-animals", script.records)
    draw(work / "runs", work / "images")
    return {path.name: path.read_text("utf-8") for path in (work / "images").iterdir()}


def test_each_image_shows_its_screen(drawn: dict[str, str]) -> None:
    texts = {name: " ".join(ElementTree.fromstring(svg).itertext()) for name, svg in drawn.items()}
    texts = {name: text.replace("\xa0", " ") for name, text in texts.items()}
    assert set(texts) == set(SCREENSHOTS)
    assert "early stopping" in texts["run.svg"].lower()
    assert "running" in texts["run.svg"]
    assert "confusion" in texts["classes.svg"].lower()
    assert "zebras" in texts["classes.svg"]
    assert "animals" in texts["runs.svg"]
    assert "3 runs" in texts["compare.svg"]


@pytest.mark.parametrize("name", SCREENSHOTS)
def test_an_image_fetches_nothing_and_is_small(name: str, drawn: dict[str, str]) -> None:
    for svg in (drawn[name], (FOLDER / name).read_text("utf-8")):
        assert len(svg.encode()) < LARGEST
        assert re.findall(r"https?://[^\"]+|@import|@font-face|url\(|href", svg) == [
            "http://www.w3.org/2000/svg"
        ]
        cells = [text for text in ElementTree.fromstring(svg).iter() if text.tag.endswith("}text")]
        assert cells
        assert all("textLength" in text.attrib for text in cells)


def test_generated_pages_are_current() -> None:
    stale = [
        str(path.relative_to(ROOT))
        for path, content in pages().items()
        if path.read_text("utf-8") != content
    ]
    assert stale == [], "rewrite them: python -m tests.tools.write_docs"


def test_the_key_reference_covers_every_screen() -> None:
    with_bindings = {owner for owner, _ in all_bindings()}
    assert with_bindings == {owner for owners in KEY_SECTIONS.values() for owner in owners}
    page = key_bindings_page()
    assert [b.description for _, b in all_bindings() if f"| {b.description} |" not in page] == []


def code_in(text: str) -> list[str]:
    """Return the lines of code blocks, without comments, and the code spans of a page."""
    blocks = re.findall(r"```(?:\w+)?\n(.*?)```", text, re.DOTALL)
    spans = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return [line.split("#")[0] for block in blocks for line in block.splitlines()] + spans


CODE = [piece for page in BY_HAND for piece in code_in(page.read_text("utf-8"))]


def test_every_subcommand_is_documented_and_no_other() -> None:
    found = (re.match(r"convnext-tui (?:--\S+ )*([a-z][a-z-]+)(?!\S)", piece) for piece in CODE)
    named = {match[1] for match in found if match}
    options = {"photos", "low", "read-only"}
    assert named - options >= set(cli.list_commands(click.Context(cli)))
    assert {name for name in named if name in cli.list_commands(click.Context(cli))} == named & set(
        cli.list_commands(click.Context(cli))
    )


def test_documented_options_exist() -> None:
    known = {
        option
        for command in (cli, *(command for _, command in subcommands()))
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
    }
    ours = [piece for piece in CODE if re.match(r"(srun )?convnext-tui|--[a-z]|ctl ", piece)]
    named = {option for piece in ours for option in re.findall(r"(?<!\S)--[a-z][\w-]*", piece)}
    assert named - known == {"--signal"}  # of Slurm
    assert {"--demo", "--data", "--resume", "--low-bandwidth", "--detach", "--no-ui"} <= named


def test_documented_configuration_keys_exist() -> None:
    sections = {key.split(".")[0] for key in all_keys() if "." in key}
    pattern = re.compile(rf"(?:--set )?((?:{'|'.join(sections)})\.[\w.]+)(?:[=:<>].*)?")
    named = {found[1] for piece in CODE if (found := pattern.fullmatch(piece))}
    named = {name for name in named if not name.endswith((".py", ".yaml", ".safetensors"))}
    assert named
    assert named - set(all_keys()) == set()


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        if not link.startswith("http"):
            assert (page.parent / link).exists(), link


def test_files_named_in_the_documents_exist() -> None:
    named = {piece for piece in CODE if re.fullmatch(r"(?:core|tui|tests)/[\w/]+(?:\.py|/)", piece)}
    assert named
    assert [piece for piece in sorted(named) if not (ROOT / piece).exists()] == []


def documented_keys(text: str) -> set[str]:
    rows = re.findall(r"^\| key.*?\n\| ---.*?\n((?:\|.*\n)+)", text, re.MULTILINE)
    cells = [line.split("|")[1] for block in rows for line in block.splitlines()]
    return {key for cell in cells for key in re.findall(r"`([^`]+)`|\b(F2)\b", cell)[0] if key}


@pytest.mark.parametrize(
    "page",
    [README, *(GUIDE / f"{name}.md" for name in ("steering", "charts", "comparing"))],
    ids=lambda page: page.name,
)
def test_documented_keys_exist(page: Path) -> None:
    known = set(re.findall(r"`([^`|]+)`", key_bindings_page())) | {"F2", "arrows"}
    named = documented_keys(page.read_text("utf-8"))
    assert named
    assert named <= known
