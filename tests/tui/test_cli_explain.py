"""`convnext-tui explain` in a separate process."""

from pathlib import Path

from PIL import Image

from tests.tui.command import run


def test_each_image_gets_a_separate_file_and_is_kept(
    trained: Path, photos: Path, tmp_path: Path
) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        data = (photos / "class_0" / "000.png").read_bytes()
        (tmp_path / folder / "x.png").write_bytes(data)
    given = ["a/x.png", "b/x.png", "none.png"]
    done = run("explain", str(trained), *given, "--occlusion", "--out", "a", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "none.png: can't be read: no such file" in done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["a/x.png", "b/x.png"]
    assert "occlusion lowers the confidence by up to " in lines[0]
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["x-heat-2.png", "x-heat.png", "x.png"]
    assert (tmp_path / "a" / "x.png").read_bytes() == data
    with Image.open(tmp_path / "a" / "x-heat.png") as sheet:
        assert sheet.width > 900


def test_without_a_terminal_it_needs_a_folder(trained: Path, tmp_path: Path) -> None:
    done = run("explain", str(trained), "x.png", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "give --out DIR" in done.stderr
