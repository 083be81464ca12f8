"""Presets of augmentation: values of the keys of `data.augment` by name."""

from collections.abc import Mapping
from typing import Any

from core.common.nested import Tree

CUSTOM = "custom"
"""The preset that changes no key."""
NONE = "none"
AUGMENT_PRESETS: Mapping[str, Mapping[str, Any]] = {
    NONE: {
        "min_scale": 1.0,
        "hflip": 0.0,
        "vflip": 0.0,
        "color_jitter": 0.0,
        "auto_augment": None,
        "erase": 0.0,
    },
    "light": {
        "min_scale": 0.7,
        "hflip": 0.5,
        "vflip": 0.0,
        "color_jitter": 0.2,
        "auto_augment": None,
        "erase": 0.0,
    },
    "medium": {
        "min_scale": 0.35,
        "hflip": 0.5,
        "vflip": 0.0,
        "color_jitter": 0.4,
        "auto_augment": None,
        "erase": 0.0,
    },
    "strong": {
        "min_scale": 0.08,
        "hflip": 0.5,
        "vflip": 0.0,
        "color_jitter": 0.4,
        "auto_augment": "rand-m9-mstd0.5-inc1",
        "erase": 0.25,
    },
}
"""Every key of `data.augment` besides `preset`, by the name of the preset."""
PRESET_KEY = "data.augment.preset"


def preset_values(preset: object) -> Mapping[str, Any]:
    """Return the keys of `data.augment` that a preset sets; none for `custom` and other values."""
    return AUGMENT_PRESETS.get(preset, {}) if isinstance(preset, str) else {}


def put_preset(tree: Tree, layer: Mapping[str, Any]) -> None:
    """Set `data.augment` in a complete tree to the preset that `layer` names, if it names one.

    The layer itself is merged afterwards, so that its other keys take precedence in any order.
    """
    section: object = layer
    for name in ("data", "augment"):
        section = section.get(name) if isinstance(section, Mapping) else None
    preset = section.get("preset") if isinstance(section, Mapping) else None
    tree["data"]["augment"].update(preset_values(preset))
