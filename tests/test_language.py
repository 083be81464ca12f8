"""Interface, documents and comments use the terms of the field; see `.docs/CONTRIBUTING.md`."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

REPLACED = {
    r"pictures?": "image",
    r"go(?:es|ing)? on|went on": "resume, continue",
    r"rests": "paused, retrying",
    r"look again": "refresh",
    r"call me": "notify",
    r"new from": "duplicate run",
    r"taken for": "predicted as",
    r"surest|how sure|not sure": "most confident, confidence",
    r"how often right": "accuracy",
    r"confused most": "most confused pairs",
    r"what will happen": "preview",
    r"demo instead": "run the demo",
    r"what the list calls": "display name",
    r"to beat": "must beat",
    r"can't be had": "not available",
    r"watching only|view only": "read-only",
    r"no news": "no update",
    r"sign of life": "last update",
    r"broke off": "interrupted",
    r"by hand": "manually",
    r"anew": "again, from scratch",
    r"of now": "current",
    r"bears": "too high for",
    r"in view": "shown",
    r"configured differently": "config differences",
    r"leave it": "cancel",
    r"program's own values": "defaults",
    r"at hand": "cached, available",
    r"sub folders?": "subfolder",
    r"a class a|folder a class": "per class",
    r"engine is at work": "process is running",
    r"whoever": "a user, a process",
    r"tells? of|told of": "report, record",
    r"mend(?:s|ed|ing)?": "repair, fix",
    r"a person|the person|a person's": "the user",
    r"look(?:s|ed)? through": "check, scan",
    r"comes? to": "result in",
    r"lets? go|let_go": "release, detach",
    r"bookmarks?": "snapshot",
    r"beside": "next to, with",
    r"colours?|coloured": "color",
    r"normalis\w+": "normalize",
    r"labelled": "labeled",
    r"\d %": "53.75%",
    r"\b1 (?:epochs|images|runs|classes|steps)": "singular after 1",
}
"""Expressions that are not used here, each with what to write instead."""
BANNED = re.compile(rf"(?<![\w.\-/])(?:{'|'.join(REPLACED)})(?![\w\-/])", re.IGNORECASE)
IDENTIFIER = re.compile(r"[\w.\-/*:]*")
"""A string that is a name of something: a key of a file, an option, a path."""


def prose_of_python(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the strings and comments of a module with their lines, without names and code spans."""
    tokens = tokenize.generate_tokens(io.StringIO(file.read_text("utf-8")).readline)
    for token in tokens:
        is_text = token.type in (tokenize.COMMENT, tokenize.STRING) or (
            tokenize.tok_name[token.type] == "FSTRING_MIDDLE"
        )
        if is_text and not IDENTIFIER.fullmatch(token.string.strip("\"'rbf")):
            for offset, line in enumerate(token.string.splitlines()):
                yield token.start[0] + offset, re.sub(r"`[^`]*`|\{[^{}]*\}", "`", line)


def prose_of_markdown(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a page without code spans."""
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        yield number, re.sub(r"`[^`]*`", "`", line)


def checked_files() -> list[Path]:
    code = [file for top in ("core", "tui") for file in sorted((ROOT / top).rglob("*.py"))]
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / ".docs").rglob("*.md"))]
    return [*code, *sorted((ROOT / "configs").glob("*.yaml")), *pages]


def found_in(file: Path) -> list[str]:
    prose = prose_of_python(file) if file.suffix == ".py" else prose_of_markdown(file)
    return [
        f"{file.relative_to(ROOT)}:{number}: {match[0]!r} in {line.strip()[:90]!r}"
        for number, line in prose
        for match in BANNED.finditer(line)
    ]


def test_the_search_finds_what_it_is_for() -> None:
    assert BANNED.search("space goes on")
    assert BANNED.search("12.5 % of 3 Pictures")
    assert not BANNED.search("resume with the next image")


@pytest.mark.parametrize("top", ["core", "tui", "configs", "documents"])
def test_replaced_words_are_not_used(top: str) -> None:
    files = [
        file
        for file in checked_files()
        if (file.relative_to(ROOT).parts[0] == top) or (top == "documents" and file.suffix == ".md")
    ]
    assert files
    assert [line for file in files for line in found_in(file)] == []
