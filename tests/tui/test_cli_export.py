"""`convnext-tui export` in a separate process."""

from pathlib import Path

import pytest

from tests.tui.command import run


def test_an_export_is_verified_and_never_pushed_offline(
    trained: Path, photos: Path, tmp_path: Path
) -> None:
    done = run(
        *("export", str(trained), "--to", "timm", "--out", "m"),
        *("--pictures", str(photos / "class_1"), "--push", "me/birds"),
        cwd=tmp_path,
        HF_HUB_OFFLINE="1",
    )
    assert done.returncode == 2
    assert "same top-1 for 12 of 12 images" in done.stdout
    assert done.stderr.startswith("error: m is written, but the push to me/birds failed: ")
    assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "m" / "README.md").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "safetensors", "--out", "m", "--push", "x"], "--push needs --to timm"),
        (["--to", "timm", "--out", "m", "--public"], "--public needs --push"),
        (["--to", "timm", "--out", "no/m"], "no: no such folder"),
        (
            ["--to", "timm", "--out", "m", "--with-normalize"],
            "is available for onnx and torchscript",
        ),
    ],
)
def test_invalid_usage_is_an_error_of_one_line(
    arguments: list[str], message: str, trained: Path, tmp_path: Path
) -> None:
    done = run("export", str(trained), *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
