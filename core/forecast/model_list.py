"""List timm's ConvNeXt models with pretrained weights, without importing timm here.

As in `core.forecast.model_info`, a separate process does that, and the result is cached.
"""

import asyncio
import json
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

from core.common.cache_file import CacheFile
from core.common.errors import os_error_text
from core.common.subprocesses import run_module
from core.common.user_dirs import cache_dir

_TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A timm model with pretrained weights."""

    name: str
    parameters: int
    """Number of parameters with a classifier for one class."""
    hub_id: str = ""
    """Hugging Face Hub repository of the pretrained weights."""
    url: str = ""
    """URL of pretrained weights that are not on the Hub."""


@dataclass(frozen=True, slots=True)
class ListedModels:
    """Models by number of parameters, or the reason why the list is not available."""

    models: tuple[ListedModel, ...] = ()
    problem: str = ""


class ModelList:
    """The list of models, read on first use and kept."""

    def __init__(self) -> None:
        self._reading: asyncio.Task[ListedModels] | None = None

    async def read(self) -> ListedModels:
        """Return the list; never raises. All callers wait for one process; a failure is retried."""
        if self._reading is None or (self._reading.done() and self._reading.result().problem):
            self._reading = asyncio.create_task(_read())
        return await asyncio.shield(self._reading)


async def _read() -> ListedModels:
    key = f"timm {version('timm')}"
    known = await asyncio.to_thread(_cache().read) or {}
    if key in known:
        return ListedModels(known[key])
    listed = await _probe()
    if not listed.problem:
        _cache().write({key: listed.models})
    return listed


@cache
def _cache() -> CacheFile[dict[str, tuple[ListedModel, ...]]]:
    kind = dict[str, tuple[ListedModel, ...]]
    return CacheFile(cache_dir() / "model-list.json", kind, form=1)


async def _probe() -> ListedModels:
    try:
        _, output, _ = await run_module("core.forecast.model_list_probe", seconds=_TIMEOUT_SECONDS)
        return ListedModels(tuple(ListedModel(**each) for each in json.loads(output)))
    except TimeoutError:
        reason = f"no result after {_TIMEOUT_SECONDS:.0f} s"
    except OSError as error:
        reason = os_error_text(error)
    except (ValueError, TypeError):
        reason = "the process that reads it failed"
    return ListedModels(problem=f"the list of models is not available: {reason}")
