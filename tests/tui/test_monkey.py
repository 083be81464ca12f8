from pathlib import Path

from tests.tui.monkey import play, some_folder


async def test_random_keys_and_clicks_raise_no_exception(tmp_path: Path) -> None:
    """Seventy in each of four apps; `python -m tests.tui.monkey` plays ten thousand."""
    await play(some_folder(tmp_path), 280, seed=3, keys_per_app=70)
