"""Policies of `data.augment.auto_augment`: which texts timm and torchvision can build, without
importing either.

timm ignores parts of a policy that it does not know, and fails with others only when an image is
loaded. Here each part must be known, occur once and be within limits.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from core.common.text import quoted

TRIVIAL = "trivial"
"""TrivialAugment (Müller & Hutter, 2021), in its wide version."""
TRANSFORM_SETS = ("weights", "3a", "3aw")
"""timm's named sets of operations for section `t` of policy rand."""


@dataclass(frozen=True, slots=True)
class Section:
    """A number within a policy, such as `m9`."""

    low: float
    high: float
    is_whole: bool = True

    def __str__(self) -> str:
        kind = "a whole number" if self.is_whole else "a number"
        return f"{kind} from {self.low:g} to {self.high:g}"

    def accepts(self, text: str) -> bool:
        """Return whether a text is such a number, written as timm reads it."""
        digits = r"[0-9]{1,20}" if self.is_whole else r"[0-9]{1,20}(\.[0-9]{1,20})?"
        return bool(re.fullmatch(digits, text)) and self.low <= float(text) <= self.high


_LEVEL = Section(0, 30)
_DEVIATION = Section(0, 1000, is_whole=False)
POLICIES: Mapping[str, Mapping[str, Section]] = {
    "rand": {
        "m": _LEVEL,
        "mmax": Section(1, 30),
        "mstd": _DEVIATION,
        "n": Section(1, 10),
        "p": Section(0, 1, is_whole=False),
        "inc": Section(0, 1),
    },
    "augmix": {
        "m": _LEVEL,
        "mstd": _DEVIATION,
        "w": Section(1, 10),
        "d": Section(1, 10),
        "a": Section(0.1, 100, is_whole=False),
    },
    **{name: {"mstd": _DEVIATION} for name in ("original", "originalr", "v0", "v0r", "3a")},
    TRIVIAL: {},
}
"""Sections of each policy by name. AugMix with `b1`, which timm calls not well tested, is left out:
its weights are sometimes not a number."""


def policy_problem(policy: str) -> str:
    """Return what is wrong with the text of a policy, as the end of a sentence; empty if nothing
    is."""
    name, *sections = policy.split("-")
    if name not in POLICIES:
        return _unknown_policy(name)
    seen: set[str] = set()
    for section in sections:
        key = _key(section)
        if name == "rand" and key.startswith("t"):
            problem = _set_problem(section)
            key = "t"
        else:
            problem = _section_problem(name, section, key)
        if problem:
            return problem
        if key in seen:
            return f"it has section {key} twice"
        seen.add(key)
    return ""


def _unknown_policy(name: str) -> str:
    *others, last = POLICIES
    given = name[:40].lower()
    longest_first = sorted(POLICIES, key=len, reverse=True)
    close = [known for known in longest_first if given.startswith(known)]
    close += difflib.get_close_matches(given, longest_first, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"expected null or one of the policies {', '.join(others)} and {last}{hint}"


def _key(section: str) -> str:
    """Return the letters at the beginning of a section."""
    return section[: len(section) - len(section.lstrip("abcdefghijklmnopqrstuvwxyz"))]


def _set_problem(section: str) -> str:
    *others, last = (f"t{name}" for name in TRANSFORM_SETS)
    is_known = section[1:] in TRANSFORM_SETS
    return (
        "" if is_known else f"expected {', '.join(others)} or {last} instead of {quoted(section)}"
    )


def _section_problem(policy: str, section: str, key: str) -> str:
    known = POLICIES[policy]
    if key not in known:
        keys = [*known, *(["t"] if policy == "rand" else [])]
        if not keys:
            return f"expected {policy} alone, without {quoted(section)}"
        return f"policy {policy} has no section {quoted(section)}; expected {_choice(keys)}"
    if not known[key].accepts(section[len(key) :]):
        return f"expected {key} followed by {known[key]} instead of {quoted(section)}"
    return ""


def _choice(keys: list[str]) -> str:
    *others, last = keys
    return f"{', '.join(others)} or {last}" if others else last
