"""Count files that are left out of a folder of images, by reason, and say so in one line."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.common.format import counted
from core.common.text import printable

_SHOWN = 3
NOT_IMAGES = "not images"


@dataclass(slots=True)
class LeftOut:
    """Counts of files that are not used."""

    others: Counter[str] = field(default_factory=Counter)
    """Files that are not images, by suffix."""
    unsupported: Counter[str] = field(default_factory=Counter)
    """Images in a format that can't be read, by suffix or format."""
    outside: Counter[str] = field(default_factory=Counter)
    """Images outside the folders that are used, by where they are."""

    def by_reason(self) -> dict[str, int]:
        """Return the numbers of files by reason, in words that follow the number."""
        reasons = {f"{name} (not supported)": n for name, n in _most_first(self.unsupported)}
        reasons |= {
            f"{'image' if n == 1 else 'images'} outside {where}": n
            for where, n in _most_first(self.outside)
        }
        if self.others:
            names = [name or "no extension" for name, _ in _most_first(self.others)[:_SHOWN]]
            more = ", …" if len(self.others) > _SHOWN else ""
            reasons[f"{NOT_IMAGES} ({', '.join(names)}{more})"] = self.others.total()
        return reasons


def _most_first(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def needs_attention(reasons: Mapping[str, int], unreadable: int = 0) -> bool:
    """Return whether some of the files that were left out are likely meant as images."""
    return unreadable > 0 or any(not reason.startswith(NOT_IMAGES) for reason in reasons)


def left_out_text(reasons: Mapping[str, int], unreadable: int = 0) -> str:
    """Return `left out 14 files: 10 not images (.txt), 3 .jxl (not supported), 1 unreadable`.

    `reasons` are from `LeftOut.by_reason`. Returns "" if nothing was left out.
    """
    counts = [(number, reason) for reason, number in reasons.items()]
    if unreadable:
        counts.insert(0, (unreadable, "unreadable"))
    if not counts:
        return ""
    if len(counts) == 1:
        listed = counts[0][1]
    else:
        listed = ", ".join(f"{number:,} {reason}" for number, reason in counts)
    total = sum(number for number, _ in counts)
    return printable(f"left out {counted(total, 'file')}: {listed}")
