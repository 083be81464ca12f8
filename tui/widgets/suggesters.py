"""Suggesters that complete paths and model names in the form for a new run."""

import asyncio
from pathlib import Path

from textual.suggester import Suggester

from core.common.detached import run_detached
from core.forecast.model_list import ModelList
from tui.viewmodel.folders import Listing, completed, completion_folder, list_folder

_MAX_PENDING = 4
"""Folders that are read at the same time; more of them belong to a server that does not respond."""


class PathSuggester(Suggester):
    """Complete the last component of a path: a folder, or a file with one of some suffixes."""

    def __init__(self, *suffixes: str) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._suffixes = suffixes
        self._pending: dict[Path, asyncio.Future[Listing]] = {}

    async def get_suggestion(self, value: str) -> str | None:
        """Return the completed path."""
        folder = completion_folder(value)
        listing = await self._listing(folder) if folder is not None else None
        return completed(value, listing) if listing is not None else None

    async def _listing(self, folder: Path) -> Listing | None:
        """Return the content of a folder, which is read once however many keys are pressed."""
        pending = self._pending.get(folder)
        if pending is None:
            if len(self._pending) >= _MAX_PENDING:
                return None
            pending = self._pending[folder] = run_detached(list_folder, folder, self._suffixes)
            pending.add_done_callback(lambda _: self._pending.pop(folder, None))
        return await asyncio.shield(pending)


class ModelSuggester(Suggester):
    """Complete the name of a ConvNeXt model of timm."""

    def __init__(self, models: ModelList) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._models = models

    async def get_suggestion(self, value: str) -> str | None:
        """Return the smallest model whose name starts with the typed text."""
        listed = (await self._models.read()).models
        return next((model.name for model in listed if model.name.startswith(value)), None)
