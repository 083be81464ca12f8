import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.run.notes import AnnotationError, Annotations, annotate, checked, look, read, split_tags


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "notes.yaml"


def test_what_is_added_is_read_again(file: Path) -> None:
    annotate(file, name="zebras", tags=("small", "1e-3", "true"))
    annotate(file, note="  twice\nthe batch ", starred=True)
    assert read(file) == Annotations(
        "zebras", ("small", "1e-3", "true"), "twice the batch", starred=True
    )
    assert [path.name for path in file.parent.iterdir()] == ["notes.yaml"]


def test_what_is_taken_away_leaves_an_empty_file(file: Path) -> None:
    annotate(file, tags=("a",))
    annotate(file, tags=())
    assert read(file) == Annotations()
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
def test_a_damaged_file_is_told_of_and_set_aside_by_the_next_change(file: Path, text: str) -> None:
    file.write_text(text)
    noted = look(file, None)
    if len(text) > 65536:
        assert noted is not None and "not a regular file of at most" in noted.problem
        return
    assert noted is not None
    assert noted.problem
    assert noted.problem.isprintable()
    assert noted.content == Annotations()
    assert file.read_text() == text
    annotate(file, starred=True)
    assert read(file) == Annotations(starred=True)
    assert (file.parent / "notes-damaged-1.yaml").read_text() == text
    file.write_text("[")
    annotate(file, starred=True)
    assert (file.parent / "notes-damaged-2.yaml").read_text() == "["


@given(st.binary(max_size=80))
def test_any_bytes_are_annotations_or_a_problem(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    file = tmp_path_factory.mktemp("notes") / "notes.yaml"
    file.write_bytes(data)
    noted = look(file, None)
    assert noted is not None
    assert noted.problem.isprintable()


_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


@given(
    st.builds(
        Annotations,
        name=_TEXT,
        tags=st.lists(_TEXT, max_size=4).map(tuple),
        note=_TEXT,
        starred=st.booleans(),
        archived=st.booleans(),
    )
)
def test_what_can_be_kept_comes_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, given_: Annotations
) -> None:
    file = tmp_path_factory.mktemp("notes") / "notes.yaml"
    try:
        tidy = checked(given_)
    except AnnotationError as error:
        assert str(error).isprintable()
        return
    annotate(
        file,
        name=tidy.name,
        tags=tidy.tags,
        note=tidy.note,
        starred=tidy.starred,
        archived=tidy.archived,
    )
    assert (read(file) if file.exists() else Annotations()) == tidy


def test_limits_are_said() -> None:
    with pytest.raises(AnnotationError, match="the name has 201 characters: at most 200"):
        checked(Annotations(name="x" * 201))
    with pytest.raises(AnnotationError, match="51 tags: at most 50"):
        checked(Annotations(tags=tuple(f"t{n}" for n in range(51))))


def test_tags_are_words() -> None:
    assert split_tags(" #small, baseline  ##x , # ") == ("small", "baseline", "x")


def test_a_file_is_read_again_only_when_it_changed(file: Path) -> None:
    assert look(file, None) is None
    annotate(file, name="aa")
    first = look(file, None)
    assert look(file, first) is first
    annotate(file, name="bb")
    second = look(file, first)
    assert second is not None
    assert second.content.name == "bb"
    file.unlink()
    assert look(file, second) is None


def test_a_pipe_in_its_place_keeps_nobody_waiting(file: Path) -> None:
    os.mkfifo(file)
    noted = look(file, None)
    assert noted is not None
    assert noted.problem
