"""Get a timm model's size, activation memory and pretrained weights without building it here.

This needs torch and takes seconds, so it runs in a separate process (`core.forecast.model_probe`),
and the result is cached.
"""

import json
import os
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from core.common.cache_file import CacheFile
from core.common.errors import os_error_text
from core.common.location import expand_user
from core.common.subprocesses import run_module
from core.common.user_dirs import cache_dir
from core.config.schema import ModelConfig

_TIMEOUT_SECONDS = 120.0
_MAX_CACHED = 200


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Properties of a model at one image size; if `problem` is set, nothing else is valid."""

    parameters: int = 0
    """Number of parameters with a classifier for one class."""
    features: int = 0
    """Input features of the classifier."""
    activation_bytes: int = 0
    """Activations saved for the backward pass per image, when all layers train in fp32."""
    hub_id: str = ""
    """Hugging Face Hub repository of the pretrained weights."""
    url: str = ""
    """URL of pretrained weights that are not on the Hub."""
    problem: str = ""
    """Why the model is not available; one line with the reason and a remedy."""

    def parameters_for(self, classes: int) -> int:
        """Return the number of parameters with a classifier for `classes` classes."""
        return self.parameters + (classes - 1) * (self.features + 1)


async def model_info(name: str, image_size: int) -> ModelInfo:
    """Return the properties of a timm model for square images of `image_size` pixels.

    Never raises: an error is in `problem`. Cancellation also ends the process.
    """
    key = f"{name} {image_size} timm {version('timm')}"
    cached = _cache().read() or {}
    if key in cached:
        return cached[key]
    info = await _probe(name, image_size)
    if not info.problem:
        _cache().write({**dict(list(cached.items())[-_MAX_CACHED:]), key: info})
    return info


@cache
def _cache() -> CacheFile[dict[str, ModelInfo]]:
    return CacheFile(cache_dir() / "models.json", dict[str, ModelInfo], form=1)


async def _probe(name: str, image_size: int) -> ModelInfo:
    try:
        _, output, _ = await run_module(
            "core.forecast.model_probe", name, str(image_size), seconds=_TIMEOUT_SECONDS
        )
        return ModelInfo(**json.loads(output))
    except TimeoutError:
        reason = f"no result after {_TIMEOUT_SECONDS:.0f} s"
    except OSError as error:
        reason = os_error_text(error)
    except (ValueError, TypeError):
        reason = "the process that builds it failed"
    return ModelInfo(problem=f"the model could not be inspected: {reason}")


class WeightsSource(Protocol):
    """Where pretrained weights are downloaded from."""

    @property
    def hub_id(self) -> str:
        """Hugging Face Hub repository."""

    @property
    def url(self) -> str:
        """URL of weights that are not on the Hub."""


def weights_cached(info: WeightsSource) -> bool:
    """Return whether the pretrained weights are in the local cache."""
    if info.hub_id:
        from huggingface_hub import try_to_load_from_cache

        names = ("model.safetensors", "pytorch_model.bin")
        return any(isinstance(try_to_load_from_cache(info.hub_id, name), str) for name in names)
    home = Path(os.environ.get("TORCH_HOME", expand_user("~/.cache/torch")))
    return bool(info.url) and (home / "hub/checkpoints" / info.url.rsplit("/", 1)[-1]).is_file()


def weights_problem(config: ModelConfig, info: ModelInfo) -> str:
    """Return why the configured weights are not available, or an empty string."""
    if config.weights is not None:
        path = Path(config.weights)
        if path.is_dir():
            return f"{path} is a folder; expected a weights file"
        return "" if path.is_file() else f"no such file: {path}"
    if config.pretrained and not info.problem and not (info.hub_id or info.url):
        return (
            f"timm has no pretrained weights for {config.name}; set model.weights or another "
            "model.name"
        )
    return ""
