"""Types of configuration values, each with its limits and the words of its error message."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from core.common.color import is_color
from core.config.auto_augment import policy_problem
from core.config.optimizers import OPTIMIZERS

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
MAX_SEED = 2**63 - 1


def _validate_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(str(error)) from None
    return text


def _validate_color(text: str) -> str:
    if not is_color(text):
        raise ValueError("not a color")
    return text


def _described(words: str) -> object:
    """Return a field whose error message describes the allowed values with these words."""
    return Field(json_schema_extra={"words": words})


Pattern = Annotated[str, AfterValidator(_validate_pattern), _described("a regular expression")]
Color = Annotated[str, AfterValidator(_validate_color), _described("a color name or #rrggbb")]


def _validate_range(pair: list[int | float]) -> list[int | float]:
    low, high = pair
    largest = max(abs(low), abs(high))
    if not largest < _MAX_VALUE or not high - low > max(_MIN_WIDTH * largest, 1 / _MAX_VALUE):
        raise ValueError("not a range")
    return pair


_MAX_VALUE, _MIN_WIDTH = 1e38, 1e-6
"""Of float32: its largest value, and the relative difference of neighboring ones."""
ValueRange = Annotated[
    list[int | float],
    Field(min_length=2, max_length=2),
    BeforeValidator(lambda value: list(value) if isinstance(value, tuple) else value),
    AfterValidator(_validate_range),
    _described("[low, high] with low below high"),
]
"""Lowest and highest pixel value."""


def _validate_folds(number: int) -> int:
    if number != 0 and not 2 <= number <= MAX_FOLDS:
        raise ValueError("not a number of folds")
    return number


MAX_FOLDS = 1000
Folds = Annotated[
    int, AfterValidator(_validate_folds), _described(f"0, or a whole number from 2 to {MAX_FOLDS}")
]
INVALID = "invalid_value"
"""Type of the validation error of a value whose message says what is wrong with it."""
TRAINED_POLICY = "trained_policy"
"""Key in the context of a validation: the policy that a run has recorded. It is not checked,
because earlier versions left the check to timm, which ignores unknown sections."""


def _validate_policy(policy: str, info: ValidationInfo) -> str:
    is_trained = info.context is not None and policy == info.context.get(TRAINED_POLICY)
    if not is_trained and (problem := policy_problem(policy)):
        raise PydanticCustomError(INVALID, "{problem}", {"problem": problem})
    return policy


AutoAugment = Annotated[
    str,
    AfterValidator(_validate_policy),
    _described("text such as rand-m9-mstd0.5-inc1 or trivial"),
]
INCONSISTENT = "inconsistent_keys"
"""Type of the validation error of keys that exclude each other; its message is a sentence."""


def _optimizer(name: str) -> str:
    if name not in OPTIMIZERS:
        raise ValueError(f"no optimizer {name!r}")
    return name


def _name_optimizers(schema: dict[str, object]) -> None:
    schema["words"] = " or ".join(OPTIMIZERS)


OptimizerName = Annotated[
    str, AfterValidator(_optimizer), Field(json_schema_extra=_name_optimizers)
]
"""A name in the registry of optimizers, which may grow while the program runs."""


def inconsistent(sentence: str) -> PydanticCustomError:
    """Return the validation error of keys that exclude each other."""
    return PydanticCustomError(INCONSISTENT, "{sentence}", {"sentence": sentence})


class Section(BaseModel):
    """A frozen group of keys; the string below a key documents it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )
