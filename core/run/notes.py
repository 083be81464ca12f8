"""User notes of a run: display name, tags, a note, a star, kept in `notes.yaml` in its folder.

Readers never write to the journal; this file belongs to the user and may be edited manually. A file
that cannot be parsed is left as it is and reported; the next change renames it.
"""

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from core.common.errors import UserError, os_error_text, reason_of
from core.common.files import read_regular_file, write_text_atomically
from core.common.text import printable, quoted

MAX_NAME, MAX_TAG, MAX_NOTE, MAX_TAGS = 200, 40, 2000, 50
_MAX_BYTES = 64 << 10
_HEADER = "# User notes of this run; may be edited manually.\n"


class NotesError(UserError):
    """An invalid value for the notes of a run; a message of one line."""


@dataclass(frozen=True, slots=True)
class Notes:
    """The notes of a run; `validated` checks values from outside."""

    name: str = ""
    """Display name; empty = the recorded name."""
    tags: tuple[str, ...] = ()
    note: str = ""
    """One paragraph."""
    starred: bool = False
    archived: bool = False
    """Hidden in the run list unless asked for."""


@dataclass(frozen=True, slots=True)
class CachedNotes:
    """The notes file as last read."""

    stamp: tuple[int, int, int]
    """Inode, size and modification time (ns): every change replaces the file."""
    content: Notes
    problem: str = ""
    """Why the file cannot be parsed."""


def read_if_changed(path: Path, before: CachedNotes | None) -> CachedNotes | None:
    """Return the content of the file; `before` if it is unchanged, None if there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
    if before is not None and before.stamp == stamp:
        return before
    try:
        return CachedNotes(stamp, read_notes(path))
    except (OSError, NotesError) as error:
        problem = os_error_text(error)
        return CachedNotes(stamp, Notes(), problem)


def read_notes(path: Path) -> Notes:
    """Return the content of a file. Raises NotesError if it cannot be parsed, OSError if it
    cannot be read."""
    # Imported here: most runs have no notes, and the run list must open at once.
    from core.common import strict_yaml as safe_yaml

    try:
        tree = safe_yaml.load(read_regular_file(path, _MAX_BYTES).decode())
    except ValueError as error:  # not YAML, or not even text
        raise NotesError(f"not valid YAML: {reason_of(error)}") from None
    return _from_tree({} if tree is None else tree)


def update_notes(path: Path, **changes: Any) -> Notes:
    """Change the notes in a file and return all of them.

    Raises NotesError for an invalid value, OSError if the folder is not writable. A file that
    cannot be parsed is renamed first.
    """
    try:
        before = read_notes(path)
    except FileNotFoundError:
        before = Notes()
    except NotesError:
        _rename_damaged(path)
        before = Notes()
    after = validated(replace(before, **changes))
    if after != before:
        _write(path, after)
    return after


def validated(content: Notes) -> Notes:
    """Return validated and normalized notes; raises NotesError."""
    name, note = _one_paragraph(content.name), _one_paragraph(content.note)
    tags = tuple(dict.fromkeys(_tag(tag) for tag in content.tags))
    _limit("the name", name, MAX_NAME)
    _limit("the note", note, MAX_NOTE)
    if len(tags) > MAX_TAGS:
        raise NotesError(f"{len(tags)} tags: at most {MAX_TAGS}")
    return replace(content, name=name, note=note, tags=tags)


def split_tags(text: str) -> tuple[str, ...]:
    """Return the tags in a text, separated by spaces or commas, with or without a leading `#`."""
    return tuple(tag.lstrip("#") for tag in text.replace(",", " ").split() if tag.lstrip("#"))


def _tag(text: str) -> str:
    if not text or "," in text or any(c.isspace() for c in text):
        raise NotesError(f"tag {quoted(printable(text)[:60])}: one word without commas")
    _limit(f"tag {quoted(printable(text)[:20])}", text, MAX_TAG)
    return text


def _limit(name: str, text: str, longest: int) -> None:
    if len(text) > longest:
        raise NotesError(f"{name} has {len(text)} characters: at most {longest}")


def _one_paragraph(text: str) -> str:
    return " ".join(text.split())


def _from_tree(tree: object) -> Notes:
    if not isinstance(tree, dict):
        raise NotesError("expected keys and values")
    known = {field.name for field in fields(Notes)}
    unknown = [key for key in tree if key not in known]
    if unknown:
        raise NotesError(f"unknown key {quoted(printable(str(unknown[0]))[:40])}")
    given = {key: value for key, value in tree.items() if value is not None}
    for key, value in given.items():
        given[key] = _as_field(key, value)
    return validated(Notes(**given))


def _as_field(key: str, value: object) -> object:
    """Return the validated value of a key; a number in place of text becomes text."""
    if key in ("starred", "archived"):
        if not isinstance(value, bool):
            raise NotesError(f"{key} must be true or false")
        return value
    if key == "tags":
        if not isinstance(value, list):
            raise NotesError("tags must be a list")
        return tuple(_as_text("tags", item) for item in value)
    return _as_text(key, value)


def _as_text(key: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise NotesError(f"{key} must be text")
    return str(value)


def _write(path: Path, content: Notes) -> None:
    from core.common import strict_yaml as safe_yaml

    values = {key: value for key, value in asdict(content).items() if value}
    if "tags" in values:
        values["tags"] = list(values["tags"])
    write_text_atomically(path, _HEADER + (safe_yaml.dump(values) if values else ""))


def _rename_damaged(path: Path) -> Path:
    """Rename a file that cannot be parsed, so that nothing is lost."""
    names: Iterable[Path] = (path.with_name(f"notes-damaged-{n}.yaml") for n in range(1, 1000))
    free = next((name for name in names if not os.path.lexists(name)), None)
    if free is None:
        raise FileExistsError(17, "there are a thousand damaged files already", str(path))
    return path.rename(free)
