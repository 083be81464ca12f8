import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.run.notes import (
    Notes,
    NotesError,
    read_if_changed,
    read_notes,
    split_tags,
    update_notes,
    validated,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "notes.yaml"


def test_added_notes_are_read_back(file: Path) -> None:
    update_notes(file, name="zebras", tags=("small", "1e-3", "true"))
    update_notes(file, note="  twice\nthe batch ", starred=True)
    assert read_notes(file) == Notes(
        "zebras", ("small", "1e-3", "true"), "twice the batch", starred=True
    )
    assert [path.name for path in file.parent.iterdir()] == ["notes.yaml"]


def test_removing_all_notes_leaves_an_empty_file(file: Path) -> None:
    update_notes(file, tags=("a",))
    update_notes(file, tags=())
    assert read_notes(file) == Notes()
    assert file.read_text().startswith("#")


@pytest.mark.parametrize(
    "text",
    [
        "tags: [a",
        "- a list",
        "colour: red",
        "tags: small",
        "tags: [[a]]",
        "starred: 3",
        "name: [x]",
        "name: " + "x" * 201,
        "tags: [two words]",
        "!!python/object/apply:os.system [ls]",
        "a: &a [x]\nb: *a",
        "name: a\nname: b",
        "x" * 70_000,
        "!!int x",
    ],
)
def test_a_damaged_file_is_reported_and_renamed_by_the_next_change(file: Path, text: str) -> None:
    file.write_text(text)
    notes = read_if_changed(file, None)
    if len(text) > 65536:
        assert notes is not None and "not a regular file of at most" in notes.problem
        return
    assert notes is not None
    assert notes.problem
    assert notes.problem.isprintable()
    assert notes.content == Notes()
    assert file.read_text() == text
    update_notes(file, starred=True)
    assert read_notes(file) == Notes(starred=True)
    assert (file.parent / "notes-damaged-1.yaml").read_text() == text
    file.write_text("[")
    update_notes(file, starred=True)
    assert (file.parent / "notes-damaged-2.yaml").read_text() == "["


@given(st.binary(max_size=80))
def test_any_bytes_are_notes_or_a_problem(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    file = tmp_path_factory.mktemp("notes") / "notes.yaml"
    file.write_bytes(data)
    notes = read_if_changed(file, None)
    assert notes is not None
    assert notes.problem.isprintable()


_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


@given(
    st.builds(
        Notes,
        name=_TEXT,
        tags=st.lists(_TEXT, max_size=4).map(tuple),
        note=_TEXT,
        starred=st.booleans(),
        archived=st.booleans(),
    )
)
def test_valid_notes_round_trip(tmp_path_factory: pytest.TempPathFactory, given_: Notes) -> None:
    file = tmp_path_factory.mktemp("notes") / "notes.yaml"
    try:
        valid = validated(given_)
    except NotesError as error:
        assert str(error).isprintable()
        return
    update_notes(
        file,
        name=valid.name,
        tags=valid.tags,
        note=valid.note,
        starred=valid.starred,
        archived=valid.archived,
    )
    assert (read_notes(file) if file.exists() else Notes()) == valid


def test_exceeded_limits_are_errors() -> None:
    with pytest.raises(NotesError, match="the name has 201 characters: at most 200"):
        validated(Notes(name="x" * 201))
    with pytest.raises(NotesError, match="51 tags: at most 50"):
        validated(Notes(tags=tuple(f"t{n}" for n in range(51))))


def test_tags_are_words() -> None:
    assert split_tags(" #small, baseline  ##x , # ") == ("small", "baseline", "x")


def test_a_file_is_reread_only_after_a_change(file: Path) -> None:
    assert read_if_changed(file, None) is None
    update_notes(file, name="aa")
    first = read_if_changed(file, None)
    assert read_if_changed(file, first) is first
    update_notes(file, name="bb")
    second = read_if_changed(file, first)
    assert second is not None
    assert second.content.name == "bb"
    file.unlink()
    assert read_if_changed(file, second) is None


def test_a_pipe_in_place_of_the_file_does_not_block(file: Path) -> None:
    os.mkfifo(file)
    notes = read_if_changed(file, None)
    assert notes is not None
    assert notes.problem
