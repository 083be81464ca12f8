"""The new-run form without widgets: fields, and from typed text to a configuration."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.common.errors import UserError
from core.common.nested import flatten
from core.common.text import printable
from core.config import load as config_io
from core.config.augment_presets import AUGMENT_PRESETS, CUSTOM, PRESET_KEY
from core.config.devices import DEVICES
from core.config.schema import Config


@dataclass(frozen=True, slots=True)
class FormField:
    """A field of the form; an empty field keeps the preset's value."""

    key: str
    label: str
    hint: str


DATA, MODEL, WEIGHTS = "data.root", "model.name", "model.weights"
AUGMENTATION, DEVICE = PRESET_KEY, "device"
PRESET = "preset"
MORE = "more"
FOLDER_REQUIRED = "an image folder is required"
START = "start"
"""Location of messages that belong to no field."""

CHOICES: Mapping[str, Sequence[str]] = {
    AUGMENTATION: (*AUGMENT_PRESETS, CUSTOM),
    DEVICE: DEVICES,
}
"""Values that a field completes, by config key."""
FIELDS = (
    FormField(DATA, "Data folder", "one subfolder per class"),
    FormField("name", "Name", "display name of the run"),
    FormField(MODEL, "Model", "any ConvNeXt of timm"),
    FormField(WEIGHTS, "Weights", "a file instead of a download"),
    FormField("data.image_size", "Image size", "side length in pixels"),
    FormField("data.batch_size", "Batch size", "images per step"),
    FormField("phases.head.epochs", "Head epochs", "maximum; 0 skips the phase"),
    FormField("phases.full.epochs", "Full epochs", "maximum; 0 skips the phase"),
    FormField(AUGMENTATION, "Augmentation", ", ".join(AUGMENT_PRESETS)),
    FormField(DEVICE, "Device", ", ".join(DEVICES)),
    FormField(MORE, "Other settings", "KEY=VALUE, separated by spaces"),
)


@dataclass(frozen=True, slots=True)
class Base:
    """A past run whose configuration is duplicated."""

    name: str
    """Its display name."""
    config: Config


class FormError(UserError):
    """Invalid input; `key` is the field to which the message belongs."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def placeholders(preset: str, base: Base | None = None) -> dict[str, str]:
    """Return the value that each field has while it is empty."""
    config = base.config if base else config_io.load_config(preset)
    flat = flatten(config.model_dump())
    shown = {f.key: flat.get(f.key) for f in FIELDS}
    return {key: "" if value is None else printable(str(value)) for key, value in shown.items()}


def build(preset: str, typed: Mapping[str, str], demo: bool, base: Base | None = None) -> Config:
    """Return the configuration that the form describes; raises FormError.

    With a `base` every empty field is as in that run, and the preset is ignored.
    """
    needs_folder = not demo and not has_folder(typed, base)
    try:
        config = _described(preset, typed, demo, base)
    except FormError as error:
        if error.key == START or not needs_folder:
            raise
    if needs_folder:  # named first, as the first field
        raise FormError(DATA, FOLDER_REQUIRED)
    return config


def has_folder(typed: Mapping[str, str], base: Base | None) -> bool:
    """Return whether a data folder is typed, or known from the run that is duplicated."""
    return bool(typed.get(DATA, "").strip() or (base and base.config.data.root))


def start_message(problems: Mapping[str, str]) -> str:
    """Return why a run cannot start as one sentence, from error messages by config key.

    The first field with a problem is named; empty if there is none.
    """
    if problems.get(START):
        return f"Cannot start: {problems[START]}"
    for field in FIELDS:
        message = problems.get(field.key, "")
        if message == FOLDER_REQUIRED:
            return "Start needs a data folder"
        if message:
            between = " " if message.startswith("is ") else ": "
            return f"Cannot start: {field.label}{between}{message}"
    return ""


def described(preset: str, typed: Mapping[str, str], base: Base | None = None) -> Config:
    """Return the config described so far, with or without a data folder; raises FormError."""
    return _described(preset, typed, is_demo_form(preset, typed, base), base)


def is_demo_form(preset: str, typed: Mapping[str, str], base: Base | None) -> bool:
    """Return whether the form starts a run on the built-in images."""
    return base is None and preset == "demo" and not typed.get(DATA, "").strip()


def _described(preset: str, typed: Mapping[str, str], demo: bool, base: Base | None) -> Config:
    data = typed.get(DATA, "").strip()
    changes = overrides(typed)
    try:
        if demo:
            from core.demo.config import demo_config  # importing it earlier would delay the form

            return demo_config(changes)
        values = {DATA: data} if data else {}
        if base:
            return config_io.changed(base.config, changes, values)
        return config_io.load_config(preset, changes, values)
    except config_io.ConfigError as error:
        raise _placed(str(error), typed) from None


def overrides(typed: Mapping[str, str]) -> list[str]:
    """Return all fields but the data folder as `KEY=VALUE` texts; raises FormError."""
    return [*_typed(typed), *_more(typed.get(MORE, ""))]


def with_override(more: str, key: str, value: str) -> str:
    """Return the text of the field of other settings with another value for a key."""
    try:
        texts = shlex.split(more)
    except ValueError:  # reported when the run is started
        return f"{more} {key}={value}"
    kept = [text for text in texts if text.partition("=")[0].strip() != key]
    return " ".join([*map(shlex.quote, kept), f"{key}={value}"])


def _typed(typed: Mapping[str, str]) -> list[str]:
    keys = [f.key for f in FIELDS if f.key not in (DATA, MORE)]
    return [f"{key}={typed[key].strip()}" for key in keys if typed.get(key, "").strip()]


def _more(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise FormError(MORE, f"{str(error).lower()}") from None


def _placed(message: str, typed: Mapping[str, str]) -> FormError:
    key, _, rest = message.partition(" ")
    if typed.get(key, "").strip():
        return FormError(key, rest)
    return FormError(MORE if typed.get(MORE, "").strip() else START, message)


def check_data(text: str) -> str:
    """Return why a folder cannot be trained on, or an empty string; reads folders, so not in the
    event loop."""
    from core.common.errors import DataError, os_error_text
    from core.common.location import absolute_location
    from core.data.image_folder import check_root
    from core.data.sources import parse_location

    try:
        check_root(parse_location(absolute_location(text.strip())))
    except DataError as error:
        return str(error)
    except (OSError, ValueError, RuntimeError) as error:
        return printable(f"{text}: {os_error_text(error)}")
    return ""
