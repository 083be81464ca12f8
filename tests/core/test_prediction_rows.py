"""Files of predictions are parsed again, and resumed wherever they were truncated."""

import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.common.errors import SetupError
from core.inference.input_paths import image_paths
from core.inference.predict import ReservoirSample, write_submission
from core.inference.prediction_rows import CsvFormat, JsonlFormat, PredictionRow, RowFormat
from core.inference.resumable_output import ResumableOutput, metadata_file

METADATA = {"sha256": "a" * 64, "precision": "fp32"}
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
odd_paths = st.text(st.sampled_from('ab/ ",\n\r;é写\udcff'), min_size=1, max_size=8)
shares = st.integers(0, 10**6).map(lambda n: n / 10**6)


def rows(top: int) -> st.SearchStrategy[PredictionRow]:
    ranked = st.lists(st.tuples(names, shares), min_size=top, max_size=top).map(tuple)
    whole = st.builds(PredictionRow, odd_paths, ranked)
    return whole | st.builds(PredictionRow, odd_paths, st.just(()), st.just("the file is empty"))


def plain(row: PredictionRow) -> tuple[object, ...]:
    return row.path, tuple(tuple(pair) for pair in row.ranked), row.error


@pytest.mark.parametrize("kind", [CsvFormat, JsonlFormat])
@given(found=st.lists(rows(2), min_size=1, max_size=6), data=st.data())
def test_a_file_truncated_anywhere_is_resumed_to_the_same_bytes(
    kind: type[RowFormat],
    found: list[PredictionRow],
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("out")
    form, paths = kind(2), [row.path for row in found]

    def resume(file: Path) -> list[PredictionRow]:
        out = ResumableOutput(file, form, METADATA)
        done, remaining = out.resume(paths)
        before = list(done)
        rest = list(remaining)
        assert [row.path for row in before] + rest == paths
        out.append(row for row in found[len(before) :])
        out.close()
        return before

    assert resume(folder / "whole") == []
    whole = (folder / "whole").read_bytes()
    cut = folder / "cut"
    cut.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    metadata_file(cut).write_bytes(metadata_file(folder / "whole").read_bytes())
    before = resume(cut)
    assert [plain(row) for row in before] == [plain(row) for row in found[: len(before)]]
    assert cut.read_bytes() == whole


def test_rows_are_read_by_csv_and_json(tmp_path: Path) -> None:
    form = CsvFormat(2)
    found = [
        PredictionRow('a "b",\n.jpg', (("cats", 0.75), ("dogs", 0.25))),
        PredictionRow("c", (), "no such file"),
    ]
    text = (form.header + b"".join(map(form.encode, found))).decode()
    first, second = csv.DictReader(io.StringIO(text, newline=""))
    assert first["path"] == 'a "b",\n.jpg'
    assert (first["label"], float(first["confidence"]), first["error"]) == ("cats", 0.75, "")
    assert (first["label_2"], float(first["confidence_2"])) == ("dogs", 0.25)
    assert (second["label"], second["confidence"], second["error"]) == ("", "", "no such file")
    parsed = json.loads(JsonlFormat(2).encode(found[1]))
    assert parsed == {
        "path": "c",
        "label": "",
        "confidence": None,
        "top": [],
        "error": "no such file",
    }


def written(folder: Path) -> Path:
    out = ResumableOutput(folder / "p.csv", CsvFormat(1), METADATA)
    done, _ = out.resume([])
    assert list(done) == []
    out.append([PredictionRow("a", (("cats", 1.0),)), PredictionRow("b", (("dogs", 0.5),))])
    out.close()
    return folder / "p.csv"


@pytest.mark.parametrize(
    ("paths", "message"),
    [(["a", "x"], "row 2 is b, but that image is now x"), (["a"], "that image is now none")],
)
def test_other_images_are_detected(paths: list[str], message: str, tmp_path: Path) -> None:
    out = ResumableOutput(written(tmp_path), CsvFormat(1), METADATA)
    with pytest.raises(SetupError, match=message):
        list(out.resume(paths)[0])
    out.close()


@pytest.mark.parametrize(
    ("form", "metadata", "message"),
    [
        (CsvFormat(1), {**METADATA, "sha256": "b"}, "was written with weights aaaaaaaaaaaaaaaa;"),
        (CsvFormat(1), {**METADATA, "precision": "bf16"}, "was written with --precision fp32;"),
        (CsvFormat(2), METADATA, "was written with --top 1;"),
        (JsonlFormat(1), METADATA, "was written with format csv;"),
    ],
)
def test_other_weights_or_options_are_refused(
    form: RowFormat, metadata: dict[str, str], message: str, tmp_path: Path
) -> None:
    file = written(tmp_path)
    before = file.read_bytes()
    with pytest.raises(SetupError, match=message):
        ResumableOutput(file, form, metadata)
    assert file.read_bytes() == before
    out = ResumableOutput(file, form, metadata, overwrite=True)
    assert list(out.resume(["z"])[0]) == []
    out.close()


def test_a_file_of_another_program_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("my,own\n")
    with pytest.raises(SetupError, match="was not written by this command"):
        ResumableOutput(tmp_path / "p.csv", CsvFormat(1), METADATA)
    assert (tmp_path / "p.csv").read_text() == "my,own\n"


def test_a_file_is_locked_while_it_is_written(tmp_path: Path) -> None:
    file = written(tmp_path)
    held = ResumableOutput(file, CsvFormat(1), METADATA)
    with pytest.raises(SetupError, match="being written by another process"):
        ResumableOutput(file, CsvFormat(1), METADATA)
    held.close()
    ResumableOutput(file, CsvFormat(1), METADATA).close()


def test_a_submission_has_file_names_and_classes(tmp_path: Path) -> None:
    found = [
        PredictionRow("x/0001.jpg", (("cats", 0.75),)),
        PredictionRow("y/0002.tar.png", (), "truncated"),
    ]
    write_submission(found, tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text() == "ID,Label\n0001,cats\n0002.tar,\n"


def test_a_submission_with_equal_ids_is_refused(tmp_path: Path) -> None:
    found = [PredictionRow(f"{folder}/0001.jpg", (("cats", 0.75),)) for folder in "xy"]
    with pytest.raises(SetupError) as caught:
        write_submission(found, tmp_path / "s.csv")
    assert str(caught.value) == (
        f"{tmp_path}/s.csv is not written: x/0001.jpg and y/0001.jpg have the same ID '0001'; "
        "predict them separately"
    )
    assert list(tmp_path.iterdir()) == []


@given(st.integers(0, 60), st.integers(1, 8))
def test_a_sample_has_distinct_rows_of_the_stream(count: int, size: int) -> None:
    sample = ReservoirSample(size)
    for number in range(count):
        sample.add(PredictionRow(str(number)))
    kept = [row.path for row in sample.rows]
    assert len(kept) == len(set(kept)) == min(size, count)
    assert set(kept) <= {str(number) for number in range(count)}


def test_a_sample_covers_the_whole_stream() -> None:
    sample = ReservoirSample(10)
    for number in range(1000):
        sample.add(PredictionRow(str(number)))
    assert 200 < sum(int(row.path) for row in sample.rows) / 10 < 800


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in ("b/2.jpg", "b/10.PNG", "b/.hidden.jpg", "a/x.jpg", "a/notes.txt", ".c/y.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["."], ["a/x.jpg", "b/10.PNG", "b/2.jpg"]),
        (
            ["b", "nothing.jpg", "a/notes.txt"],
            ["b/10.PNG", "b/2.jpg", "nothing.jpg", "a/notes.txt"],
        ),
        (["*/*.jpg"], ["a/x.jpg", "b/2.jpg"]),
    ],
)
def test_arguments_are_files_folders_or_patterns(
    arguments: list[str], expected: list[str], tree: Path
) -> None:
    assert list(image_paths(arguments)) == expected


@pytest.mark.parametrize("argument", [".c/none*", "empty"])
def test_an_argument_without_images_is_refused_at_once(argument: str, tree: Path) -> None:
    (tree / "empty").mkdir()
    with pytest.raises(SetupError, match=r"no (image|file)"):
        image_paths(["b", argument])


def test_a_name_that_is_not_utf8_is_preserved(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.jpg")
    (tmp_path / name).touch()
    (found,) = image_paths([str(tmp_path)])
    for form in (CsvFormat(1), JsonlFormat(1)):
        assert form.parse(form.encode(PredictionRow(found))).path == found
