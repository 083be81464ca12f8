"""User notes of a run: display name, tags, a note, a star, kept in `notes.yaml` in its folder.

Readers never write to the journal; this file belongs to the user and may be edited manually. A file
that cannot be parsed is left as it is and reported; the next change renames it.
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
_HEADER = "# User notes of this run; may be edited manually.\n"


class AnnotationError(ValueError):
    """An invalid value for the notes of a run; a message of one line."""


@dataclass(frozen=True, slots=True)
class Annotations:
    """The notes of a run; `checked` validates values from outside."""

    name: str = ""
    """Display name; empty = the recorded name."""
    tags: tuple[str, ...] = ()
    note: str = ""
    """One paragraph."""
    starred: bool = False
    archived: bool = False
    """Hidden in the run list unless asked for."""


@dataclass(frozen=True, slots=True)
class Noted:
    """The notes file as last read."""

    stamp: tuple[int, int, int]
    """Inode, size and modification time (ns): every change replaces the file."""
    content: Annotations
    problem: str = ""
    """Why the file cannot be parsed."""


def look(path: Path, before: Noted | None) -> Noted | None:
    """Return the content of the file; `before` if it is unchanged, None if there is no file."""
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
    """Return the content of a file. Raises AnnotationError if it cannot be parsed, OSError if it
    cannot be read."""
    # Imported here: most runs have no notes, and the run list must open at once.
    from core.common import strict_yaml as safe_yaml

    try:
        tree = safe_yaml.load(read_regular_file(path, _LARGEST).decode())
    except OSError:
        raise
    except Exception as error:  # as in core.config.load: a tag can raise anything
        raise AnnotationError(f"not valid YAML: {printable(str(error))[:120]}") from None
    return _from_tree({} if tree is None else tree)


def annotate(path: Path, **changes: Any) -> Annotations:
    """Change the notes in a file and return all of them.

    Raises AnnotationError for an invalid value, OSError if the folder is not writable. A file that
    cannot be parsed is renamed first.
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
    """Return validated and normalized notes; raises AnnotationError."""
    name, note = _one_paragraph(content.name), _one_paragraph(content.note)
    tags = tuple(dict.fromkeys(_tag(tag) for tag in content.tags))
    _limit("the name", name, LONGEST_NAME)
    _limit("the note", note, LONGEST_NOTE)
    if len(tags) > MOST_TAGS:
        raise AnnotationError(f"{len(tags)} tags: at most {MOST_TAGS}")
    return replace(content, name=name, note=note, tags=tags)


def split_tags(text: str) -> tuple[str, ...]:
    """Return the tags in a text, separated by spaces or commas, with or without a leading `#`."""
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
    """Return the validated value of a key; a tag or name that YAML parses as a number becomes text."""
    if key in ("starred", "archived"):
        if not isinstance(value, bool):
            raise AnnotationError(f"{key} must be true or false")
        return value
    if key == "tags":
        if not isinstance(value, list):
            raise AnnotationError("tags must be a list")
        return tuple(_as_text("tags", item) for item in value)
    return _as_text(key, value)


def _as_text(key: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise AnnotationError(f"{key} must be text")
    return str(value)


def _write(path: Path, content: Annotations) -> None:
    from core.common import strict_yaml as safe_yaml

    kept = {key: value for key, value in asdict(content).items() if value}
    if "tags" in kept:
        kept["tags"] = list(kept["tags"])
    write_text_atomically(path, _HEADER + (safe_yaml.dump(kept) if kept else ""))


def _set_aside(path: Path) -> Path:
    """Rename a file that cannot be parsed, so that nothing is lost."""
    names: Iterable[Path] = (path.with_name(f"notes-damaged-{n}.yaml") for n in range(1, 1000))
    free = next((name for name in names if not os.path.lexists(name)), None)
    if free is None:
        raise FileExistsError(17, "there are a thousand damaged files already", str(path))
    return path.rename(free)
