"""`convnext-tui export`, as a process."""

from pathlib import Path

import pytest

from tests.tui.command import run


def test_an_export_tells_how_it_compares_and_is_never_pushed_offline(
    trained: Path, photos: Path, tmp_path: Path
) -> None:
    done = run(
        *("export", str(trained), "--to", "timm", "--out", "m"),
        *("--pictures", str(photos / "class_1"), "--push", "me/birds"),
        cwd=tmp_path,
        HF_HUB_OFFLINE="1",
    )
    assert done.returncode == 2
    assert "top-1 is the same for 12 of 12 pictures" in done.stdout
    assert done.stderr.startswith("error: m is written, but me/birds can't be pushed to (")
    assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "m" / "README.md").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "safetensors", "--out", "m", "--push", "x"], "--push is for --to timm"),
        (["--to", "timm", "--out", "m", "--public"], "--public belongs to --push"),
        (["--to", "timm", "--out", "no/m"], "no: no such folder"),
        (["--to", "timm", "--out", "m", "--with-normalize"], "is for onnx and torchscript"),
    ],
)
def test_wrong_usage_is_one_line(
    arguments: list[str], message: str, trained: Path, tmp_path: Path
) -> None:
    done = run("export", str(trained), *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
