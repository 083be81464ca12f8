from pathlib import Path

import pytest

from tests.tui.monkey import play, some_folder


@pytest.mark.parametrize("keys", [8, pytest.param(70, marks=pytest.mark.slow)])
async def test_random_keys_and_clicks_raise_no_exception(keys: int, tmp_path: Path) -> None:
    """In each of four apps; `python -m tests.tui.monkey` plays ten thousand."""
    await play(some_folder(tmp_path), 4 * keys, seed=3, keys_per_app=keys)
