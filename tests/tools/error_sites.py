"""Record which errors for the user the tests trigger, and what they say.

Every process of the tests appends to one file, named by an environment variable. At the end, each
place in the program that makes such an error must be among them: no message is unseen.
"""

import ast
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.common.errors import UserError

VARIABLE = "CONVNEXT_TUI_TEST_ERRORS"
REPOSITORY = Path(__file__).parents[2]
_PACKAGES = ("core", "tui")
_INTERNAL = re.compile(
    r"Pillow|PIL\b|MAX_TEXT_CHUNK|weights_only|Traceback|\[Errno|NoneType|<class|object at 0x|"
    r"\b[A-Z]\w+(?:Error|Exception)\b"
)
"""What means nothing to a user."""


@dataclass(frozen=True, slots=True, order=True)
class Site:
    """A statement that raises an error for the user."""

    file: str
    """Relative to the repository, with `/`."""
    first: int
    last: int
    """Its lines."""
    text: str
    """Its source."""

    def __str__(self) -> str:
        return f"{self.file}:{self.first}: {' '.join(self.text.split())}"


@dataclass(frozen=True, slots=True)
class Triggered:
    """An error that a test has triggered."""

    file: str
    line: int
    message: str


def record_errors() -> None:
    """Record the errors of this process if the tests ask for it."""
    place = os.environ.get(VARIABLE)
    if not place:
        return
    seen: set[tuple[str, int]] = set()

    def init(self: UserError, *args: Any) -> None:
        ValueError.__init__(self, *args)
        frame = sys._getframe(1)
        while frame.f_code.co_name == "__init__" and frame.f_locals.get("self") is self:
            assert frame.f_back is not None
            frame = frame.f_back
        here = frame.f_code.co_filename, frame.f_lineno
        if here not in seen:
            seen.add(here)
            row = json.dumps([*here, str(args[0]) if args else ""])
            with Path(place).open("a") as file:
                file.write(f"{row}\n")

    UserError.__init__ = init  # type: ignore[method-assign]


def triggered(file: Path) -> list[Triggered]:
    """Return the recorded errors of the program itself."""
    found = []
    for line in file.read_text().splitlines():
        path, number, message = json.loads(line)
        try:
            inside = Path(path).resolve().relative_to(REPOSITORY).as_posix()
        except ValueError:
            continue
        found.append(Triggered(inside, number, message))
    return found


def sites() -> Iterator[Site]:
    """Yield all places in the program that make an error for the user."""
    names = _error_names()
    for file in _sources():
        text = file.read_text()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and _name(node.func) in names:
                yield Site(
                    file.relative_to(REPOSITORY).as_posix(),
                    node.lineno,
                    node.end_lineno or node.lineno,
                    ast.get_source_segment(text, node) or "",
                )


def untriggered(errors: list[Triggered]) -> list[Site]:
    """Return the places that no recorded error comes from."""
    lines: dict[str, set[int]] = {}
    for error in errors:
        lines.setdefault(error.file, set()).add(error.line)
    return sorted(
        site
        for site in sites()
        if not lines.get(site.file, set()) & set(range(site.first, site.last + 1))
    )


def badly_worded(errors: list[Triggered]) -> list[str]:
    """Return the messages that break a rule of the project's language."""
    return sorted(
        f"{error.file}:{error.line}: {reason}: {error.message!r}"
        for error in errors
        for reason in _faults(error.message)
    )


def _faults(message: str) -> Iterator[str]:
    if not message.isprintable():
        yield "has line breaks or control characters"
    if message.endswith("."):
        yield "ends with a period"
    if "\\\\" in message:
        yield "doubled backslash"
    for word in _INTERNAL.findall(message):
        yield f"says {word}"


def _error_names() -> set[str]:
    """Return the names of all classes derived from UserError, without importing them."""
    names, bases = {"UserError"}, {}
    for file in _sources():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = {_name(base) for base in node.bases}
    while more := {name for name, of in bases.items() if of & names} - names:
        names |= more
    return names


def _sources() -> list[Path]:
    return sorted(file for top in _PACKAGES for file in (REPOSITORY / top).rglob("*.py"))


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
