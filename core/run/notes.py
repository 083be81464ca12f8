"""What a person adds to a run: a name, tags, a note, a star; kept in `notes.yaml` beside it.

The journal tells what happened and is never written to by a reader; this file is the person's.
It may be edited by hand. One that can't be understood is left as it is and told of; the next
change sets it aside under another name.
"""

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from core.common.errors import os_error_text
from core.common.files import read_regular_file, write_text_atomically
from core.common.text import printable

LONGEST_NAME, LONGEST_TAG, LONGEST_NOTE, MOST_TAGS = 200, 40, 2000, 50
_LARGEST = 64 << 10
_HEADER = "# What was added to this run by hand; edit it as you like.\n"


class AnnotationError(ValueError):
    """Something that can't be kept with a run; one line that says why."""


@dataclass(frozen=True, slots=True)
class Annotations:
    """What a person has added to a run; `checked` has been at all that comes from outside."""

    name: str = ""
    """Shown instead of the recorded name; empty = that one."""
    tags: tuple[str, ...] = ()
    note: str = ""
    """One paragraph."""
    starred: bool = False
    archived: bool = False
    """Left out of the list unless asked for."""


@dataclass(frozen=True, slots=True)
class Noted:
    """The file as it was when it was last read."""

    stamp: tuple[int, int, int]
    """Inode, size and time (ns): each change replaces the file."""
    content: Annotations
    problem: str = ""
    """Why it can't be understood."""


def look(path: Path, before: Noted | None) -> Noted | None:
    """Return what the file holds; `before` where it is unchanged, None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
    if before is not None and before.stamp == stamp:
        return before
    try:
        return Noted(stamp, read(path))
    except (OSError, AnnotationError) as error:
        problem = os_error_text(error)
        return Noted(stamp, Annotations(), problem)


def read(path: Path) -> Annotations:
    """Return what a file holds; raises AnnotationError when it can't be understood, OSError when
    it can't be read."""
    # Not with the module: most runs have no such file, and the list is to be there at once.
    from core.common import strict_yaml as safe_yaml

    try:
        tree = safe_yaml.load(read_regular_file(path, _LARGEST).decode())
    except OSError:
        raise
    except Exception as error:  # as in core.config.load: a scalar with a tag raises nearly anything
        raise AnnotationError(f"not valid YAML: {printable(str(error))[:120]}") from None
    return _from_tree({} if tree is None else tree)


def annotate(path: Path, **changes: Any) -> Annotations:
    """Change what is kept in a file and return all of it.

    Raises AnnotationError for a value that can't be kept, OSError when the folder can't be
    written. A file that can't be understood is set aside first.
    """
    try:
        before = read(path)
    except FileNotFoundError:
        before = Annotations()
    except AnnotationError:
        _set_aside(path)
        before = Annotations()
    after = checked(replace(before, **changes))
    if after != before:
        _write(path, after)
    return after


def checked(content: Annotations) -> Annotations:
    """Return the same, tidied; raises AnnotationError for what can't be kept."""
    name, note = _one_paragraph(content.name), _one_paragraph(content.note)
    tags = tuple(dict.fromkeys(_tag(tag) for tag in content.tags))
    _limit("the name", name, LONGEST_NAME)
    _limit("the note", note, LONGEST_NOTE)
    if len(tags) > MOST_TAGS:
        raise AnnotationError(f"{len(tags)} tags: at most {MOST_TAGS}")
    return replace(content, name=name, note=note, tags=tags)


def split_tags(text: str) -> tuple[str, ...]:
    """Return the tags of a text that has them between spaces or commas, `#` before them or not."""
    return tuple(tag.lstrip("#") for tag in text.replace(",", " ").split() if tag.lstrip("#"))


def _tag(text: str) -> str:
    if not text or "," in text or any(c.isspace() for c in text):
        raise AnnotationError(f"tag {printable(text)[:60]!r}: one word without commas")
    _limit(f"tag {printable(text)[:20]!r}", text, LONGEST_TAG)
    return text


def _limit(what: str, text: str, longest: int) -> None:
    if len(text) > longest:
        raise AnnotationError(f"{what} has {len(text)} characters: at most {longest}")


def _one_paragraph(text: str) -> str:
    return " ".join(text.split())


def _from_tree(tree: object) -> Annotations:
    if not isinstance(tree, dict):
        raise AnnotationError("expected keys and values")
    known = {field.name for field in fields(Annotations)}
    unknown = [key for key in tree if key not in known]
    if unknown:
        raise AnnotationError(f"unknown key {printable(str(unknown[0]))[:40]!r}")
    given = {key: value for key, value in tree.items() if value is not None}
    for key, value in given.items():
        given[key] = _as_kind(key, value)
    return checked(Annotations(**given))


def _as_kind(key: str, value: object) -> object:
    """Return the value of a key; a tag or name that YAML reads as a number is text."""
    if key in ("starred", "archived"):
        if not isinstance(value, bool):
            raise AnnotationError(f"{key} is true or false")
        return value
    if key == "tags":
        if not isinstance(value, list):
            raise AnnotationError("tags is a list")
        return tuple(_as_text("tags", item) for item in value)
    return _as_text(key, value)


def _as_text(key: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise AnnotationError(f"{key} is text")
    return str(value)


def _write(path: Path, content: Annotations) -> None:
    from core.common import strict_yaml as safe_yaml

    kept = {key: value for key, value in asdict(content).items() if value}
    if "tags" in kept:
        kept["tags"] = list(kept["tags"])
    write_text_atomically(path, _HEADER + (safe_yaml.dump(kept) if kept else ""))


def _set_aside(path: Path) -> Path:
    """Give a file that can't be understood another name; nothing that was there is lost."""
    names: Iterable[Path] = (path.with_name(f"notes-damaged-{n}.yaml") for n in range(1, 1000))
    free = next((name for name in names if not os.path.lexists(name)), None)
    if free is None:
        raise FileExistsError(17, "a thousand damaged files were set aside already", str(path))
    return path.rename(free)
