"""Registry of optimizers. One entry is all that an optimizer needs.

The configuration accepts its name, training builds it, and the memory forecast counts its state.
The class is given as text, so that neither the configuration nor the forecast imports torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class OptimizerEntry:
    """How to build an optimizer, and how much memory it needs."""

    factory: str
    """`module:class` or `module:function`, called with parameter groups, `lr`, `weight_decay` and
    `options`."""
    state_values: float
    """Values of optimizer state per parameter, such as Adam's two moments."""
    options: Mapping[str, object] = field(default_factory=dict)
    """Other keyword arguments of the class."""
    has_fused: bool = True
    """Whether the class accepts `fused`."""


_TIMM = "timm.optim:create_optimizer_v2"


def _timm(name: str, state_values: float) -> OptimizerEntry:
    return OptimizerEntry(_TIMM, state_values, {"opt": name, "momentum": 0.9}, has_fused=False)


OPTIMIZERS: dict[str, OptimizerEntry] = {
    "adam": OptimizerEntry("torch.optim:Adam", state_values=2),
    "adamw": OptimizerEntry("torch.optim:AdamW", state_values=2),
    "sgd": OptimizerEntry("torch.optim:SGD", state_values=1, options={"momentum": 0.9}),
    **{
        name: _timm(name, values)
        for name, values in {
            **dict.fromkeys(("adabelief", "adamp", "adopt", "lamb", "laprop"), 2),
            **dict.fromkeys(("nadam", "nadamw", "radam", "rmsprop", "cadamw"), 2),
            **dict.fromkeys(("lars", "lion", "clion", "novograd", "sgdp", "sgdw"), 1),
            **dict.fromkeys(("madgrad", "mars"), 3),
            "adan": 4,
            "adafactor": 0.05,
        }.items()
    },
}
"""By the value of the config key `optimizer`. timm has more of them, that need a second gradient, a
GPU library or random draws of their own."""
