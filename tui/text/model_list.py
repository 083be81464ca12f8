"""Describe timm's models in a list: name, parameters, and whether their weights are cached."""

from textual.content import Content

from core.common import format as fmt
from core.common.text import printable
from core.forecast.model_list import ListedModel

CACHED = "✓"
"""Mark of a model whose weights are cached."""
_PARAMETERS = 8


def model_line(model: ListedModel, cached: bool, width: int) -> Content:
    """Return a model as one line of `width` cells; a name that does not fit ends in an ellipsis."""
    name = printable(model.name)
    room = max(8, width - _PARAMETERS - len(CACHED) - 1)
    if len(name) > room:
        name = f"{name[: room - 1]}…"
    size = fmt.parameters(model.parameters)
    # No colors: those of a highlighted line must stay readable in all themes.
    return Content(f"{name:<{room}}{size:>{_PARAMETERS}} {CACHED if cached else ' '}")


def matching(models: tuple[ListedModel, ...], text: str) -> list[ListedModel]:
    """Return the models whose name contains every word of a text."""
    words = text.lower().split()
    return [model for model in models if all(word in model.name.lower() for word in words)]
