import errno
from pathlib import Path
from typing import BinaryIO

import pandas
import pytest

from core.common.files import write_atomically, write_text_atomically
from core.events.types import EpochEnded
from core.run.history_csv import History


def fill_the_disk(file: BinaryIO) -> None:
    file.write(b"half of the new")
    raise OSError(errno.ENOSPC, "No space left on device")


def interrupt(file: BinaryIO) -> None:
    file.write(b"half of the new")
    raise KeyboardInterrupt


def test_file_is_replaced_and_its_size_returned(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old, and much longer than the new one")
    assert write_atomically(path, lambda file: file.write(b"new")) == 3
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_old_file_remains_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write(file: BinaryIO) -> None:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"

    write_atomically(path, write)
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize(
    ("write", "error"), [(fill_the_disk, OSError), (interrupt, KeyboardInterrupt)]
)
@pytest.mark.parametrize("old", [b"old", None])
def test_failed_write_leaves_only_the_old_file(
    tmp_path: Path, write: object, error: type[BaseException], old: bytes | None
) -> None:
    path = tmp_path / "file"
    if old is not None:
        path.write_bytes(old)
    with pytest.raises(error):
        write_atomically(path, write)  # type: ignore[arg-type]
    assert [file.name for file in tmp_path.iterdir()] == ([] if old is None else ["file"])
    assert old is None or path.read_bytes() == old


def test_failed_rename_leaves_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "taken"
    (path / "inside").mkdir(parents=True)
    with pytest.raises(OSError):
        write_atomically(path, lambda file: file.write(b"new"))
    assert [file.name for file in tmp_path.iterdir()] == ["taken"]


def test_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "no" / "file", lambda file: file.write(b"new"))


def test_text_keeps_the_bytes_of_names_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text_atomically(path, "é caf\udce9\n")
    assert path.read_bytes() == b"\xc3\xa9 caf\xe9\n"


def epoch(number: int, phase: str = "head", val_loss: float = 0.5) -> EpochEnded:
    return EpochEnded(
        phase=phase,
        epoch=number,
        global_step=10 * number,
        train_loss=0.75,
        train_top1=0.5,
        val_loss=val_loss,
        val_top1=0.625,
        val_top5=1.0,
        lr=1e-3,
        next_lr=5e-4,
        seconds=1.5,
        best=number == 1,
        phase_best=number == 1,
        patience=7,
        min_delta=0.001,
        bad_epochs=0,
        monitor_best=0.5,
    )


def test_history_has_one_row_per_epoch_and_pandas_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    history = History(path)
    rows = [epoch(1), epoch(2, val_loss=float("nan")), epoch(1, "full", float("inf"))]
    for number, row in enumerate(rows, 1):
        history.add(row)
        assert len(pandas.read_csv(path)) == number
    table = pandas.read_csv(path)
    assert table["phase"].tolist() == ["head", "head", "full"]
    assert table["lr"].tolist() == [1e-3] * 3
    assert table["best"].tolist() == [True, False, True]
    assert table["val_loss"].isna().tolist() == [False, True, False]
    assert table["val_loss"].iloc[2] == float("inf")
    assert (history.epochs("head"), history.epochs("full")) == (2, 1)
