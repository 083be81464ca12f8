from pathlib import Path

from tests.tui.monkey import play, some_folder


async def test_no_keys_and_clicks_whatever_raise_an_exception(tmp_path: Path) -> None:
    """Seventy in each of four lives; `python -m tests.tui.monkey` plays ten thousand."""
    await play(some_folder(tmp_path), 280, seed=3, a_life=70)
