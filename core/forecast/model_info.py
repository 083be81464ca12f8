"""What a network is like before it is built: size, what training keeps, where weights come from.

That takes torch and seconds, so a separate process does it (`core.forecast.model_probe`) and the
result is cached.
"""

import json
import os
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from core.common.cache_file import CacheFile
from core.common.subprocesses import run_module
from core.common.user_dirs import cache_dir
from core.config.schema import ModelConfig

_SECONDS = 120.0
_MOST = 200


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A network for pictures of one size. Where `problem` says something, nothing else counts."""

    parameters: int = 0
    """Of the network with a classifier for one class."""
    features: int = 0
    """Values that its classifier looks at."""
    activation_bytes: int = 0
    """What training all of it keeps of a picture for the backward pass, in fp32."""
    hub_id: str = ""
    """Repository of its pretrained weights on the Hugging Face Hub."""
    url: str = ""
    """Address of its pretrained weights elsewhere."""
    problem: str = ""
    """Why there is no such network; one line that says what to do."""

    def parameters_for(self, classes: int) -> int:
        """Return the number of parameters with a classifier for so many classes."""
        return self.parameters + (classes - 1) * (self.features + 1)


async def model_info(name: str, image_size: int) -> ModelInfo:
    """Return what a timm model is like for pictures of `image_size` pixels a side.

    Never fails: what went wrong is in `problem`. Cancelled, it takes its process along.
    """
    key = f"{name} {image_size} timm {version('timm')}"
    known = _kept().read() or {}
    if key in known:
        return known[key]
    facts = await _probe(name, image_size)
    if not facts.problem:
        _kept().write({**dict(list(known.items())[-_MOST:]), key: facts})
    return facts


@cache
def _kept() -> CacheFile[dict[str, ModelInfo]]:
    return CacheFile(cache_dir() / "models.json", dict[str, ModelInfo], form=1)


async def _probe(name: str, image_size: int) -> ModelInfo:
    try:
        _, said, _ = await run_module(
            "core.forecast.model_probe", name, str(image_size), seconds=_SECONDS
        )
        return ModelInfo(**json.loads(said))
    except (OSError, ValueError, TypeError, TimeoutError) as error:
        return ModelInfo(problem=f"the model could not be looked at ({type(error).__name__})")


def weights_cached(facts: ModelInfo) -> bool:
    """Whether the pretrained weights were downloaded before."""
    if facts.hub_id:
        from huggingface_hub import try_to_load_from_cache

        names = ("model.safetensors", "pytorch_model.bin")
        return any(isinstance(try_to_load_from_cache(facts.hub_id, name), str) for name in names)
    home = Path(os.environ.get("TORCH_HOME", Path("~/.cache/torch").expanduser()))
    return bool(facts.url) and (home / "hub/checkpoints" / facts.url.rsplit("/", 1)[-1]).is_file()


def weights_problem(config: ModelConfig, facts: ModelInfo) -> str:
    """Return why the weights asked for can't be had, as far as that is known, or nothing."""
    if config.weights is not None:
        path = Path(config.weights)
        if path.is_dir():
            return f"{path} is a folder; expected a file of weights"
        return "" if path.is_file() else f"no such file: {path}"
    if config.pretrained and not facts.problem and not (facts.hub_id or facts.url):
        return (
            f"timm has no pretrained weights for {config.name}: set model.weights or another model"
        )
    return ""
