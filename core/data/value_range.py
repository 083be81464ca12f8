"""Value ranges: which values of a deep image (16-bit, integer or float) become black and white.

A network takes 8-bit values. The range is decided once for all images of a data folder with the
same kind of value and recorded in the run, so that a dark image stays darker than its siblings and
prediction converts images as training did. 8-bit images are never scaled.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.common.format import counted

Range = tuple[float, float]
ValueRanges = dict[str, list[float]]
"""Lowest and highest value by kind; a kind without an entry is decided for each image alone."""

ANY = "any"
"""The kind of a range that holds for all deep images."""
AUTO = "auto"
UINT16, INT16, INT32, FLOAT = "uint16", "int16", "int32", "float32"
_STATED = "max"
"""Beginning of the kinds whose files state their highest value, as a packed 12-bit TIFF does."""
_NAMES = {
    ANY: "all images above 8 bits",
    UINT16: "16-bit",
    INT16: "signed 16-bit",
    INT32: "32-bit integer",
    FLOAT: "float",
}

_DEPTHS = (1, 255, 1023, 4095, 16383, 65535)
"""Highest values of the usual depths: marks, 8, 10, 12, 14 and 16 bits."""
_FLOAT_DEPTHS = (1, 255)
"""Highest values of images that were converted to float: fractions, and 8 bits."""
_MIN_FILLED, _MIN_FILLED_FLOAT = 0.25, 0.5
"""Part of a usual depth that values must span: each depth of integers has four times the values of
the one before it."""
_FEW_LEVELS = 16
"""Gray levels, of 256, below which an image is reported as flat."""


@dataclass(frozen=True, slots=True)
class ValueStats:
    """The values of one deep image; not-a-number, no-data values and outliers are left out."""

    kind: str
    low: float
    high: float
    declared: Range | None = None
    """Range from the file's metadata."""


@dataclass(frozen=True, slots=True)
class RangeUse:
    """The range of all deep images of one kind."""

    kind: str
    images: int
    low: float
    """Lowest value of all images."""
    high: float
    range: Range
    flat: int
    """Images with fewer than 16 of 256 gray levels in this range."""

    @property
    def name(self) -> str:
        """Return the kind in words: `16-bit`."""
        return kind_name(self.kind)

    @property
    def range_text(self) -> str:
        """Return the range as text: `0 to 4,095`."""
        return f"{number(self.range[0])} to {number(self.range[1])}"

    @property
    def values_text(self) -> str:
        """Return the images and their values as text."""
        images = counted(self.images, f"{self.name} image")
        return f"{images} with values from {number(self.low)} to {number(self.high)}"


def stated_kind(highest: int) -> str:
    """Return the kind of files that state their highest value."""
    return f"{_STATED}{highest}"


def kind_name(kind: str) -> str:
    """Return a kind in words: `16-bit`, `float`."""
    if highest := _stated_highest(kind):
        bits = highest.bit_length()
        return f"{bits}-bit" if highest == (1 << bits) - 1 else f"0 to {highest:,}"
    return _NAMES.get(kind, kind)


def _stated_highest(kind: str) -> int:
    digits = kind.removeprefix(_STATED)
    return int(digits) if digits != kind and digits.isdecimal() else 0


def find_range(ranges: ValueRanges, kind: str) -> Range | None:
    """Return the range of a kind, or None if it has to be decided from the values."""
    found = ranges.get(kind) or ranges.get(ANY)
    if found and len(found) == 2 and found[0] < found[1]:  # it may be from a damaged file
        return float(found[0]), float(found[1])
    return None


def choose_range(stats: Sequence[ValueStats]) -> Range:
    """Return the range of images of one kind from their metadata and values.

    A usual depth (8, 10, 12, 14 or 16 bits; of floats 0 to 1 or 8 bits) where the values fill one,
    else the values from the lowest, or from 0 if that is near, to the highest.
    """
    stated = _stated_highest(stats[0].kind)
    if stated:
        return 0.0, float(stated)
    low = min(one.declared[0] if one.declared else one.low for one in stats)
    high = max(one.declared[1] if one.declared else one.high for one in stats)
    if all(one.declared for one in stats) and low < high:
        return low, high
    is_float = stats[0].kind == FLOAT
    top = next((top for top in (_FLOAT_DEPTHS if is_float else _DEPTHS) if high <= top), None)
    filled = _MIN_FILLED_FLOAT if is_float else _MIN_FILLED
    if low >= 0 and top and (low == high or high - low >= filled * top):
        return 0.0, float(top)
    if 0 <= low <= _MIN_FILLED * high:
        low = 0.0
    return (low, high) if low < high else (low, low + 1)


def choose_ranges(
    stats: Iterable[ValueStats | None], setting: str | Sequence[float] = AUTO
) -> ValueRanges:
    """Return the range of each kind among some images; `setting` is `data.value_range`."""
    if not isinstance(setting, str):
        return {ANY: [float(setting[0]), float(setting[1])]}
    kinds = by_kind(stats)
    return {kind: list(choose_range(members)) for kind, members in kinds.items()}


def cache_key(ranges: ValueRanges) -> str:
    """Return a text that differs for ranges under which deep images are converted differently."""
    return repr(sorted((kind, list(map(float, pair))) for kind, pair in ranges.items()))


def by_kind(stats: Iterable[ValueStats | None]) -> dict[str, list[ValueStats]]:
    """Return the values of deep images by their kind, sorted."""
    found: dict[str, list[ValueStats]] = defaultdict(list)
    for one in stats:
        if one is not None:
            found[one.kind].append(one)
    return dict(sorted(found.items()))


def range_uses(stats: Iterable[ValueStats | None], ranges: ValueRanges) -> list[RangeUse]:
    """Return for each kind among some images how they use its range."""
    uses = []
    for kind, members in by_kind(stats).items():
        low, high = find_range(ranges, kind) or choose_range(members)
        levels = [256 * (one.high - one.low) / (high - low) for one in members]
        uses.append(
            RangeUse(
                kind=kind,
                images=len(members),
                low=min(one.low for one in members),
                high=max(one.high for one in members),
                range=(low, high),
                flat=sum(0 < each < _FEW_LEVELS for each in levels),
            )
        )
    return uses


def flat_problem(use: RangeUse) -> str:
    """Return a warning if most images of a kind have few gray levels, else ""."""
    if 2 * use.flat <= use.images:
        return ""
    have = "has" if use.flat == 1 else "have"
    return (
        f"{counted(use.flat, f'{use.name} image')} {have} fewer than {_FEW_LEVELS} of 256 gray "
        f"levels in the value range {use.range_text}; set data.value_range"
    )


def ranges_text(ranges: ValueRanges) -> str:
    """Return recorded ranges as text: `16-bit 0 to 4,095`."""
    found = {kind: find_range(ranges, kind) for kind in sorted(ranges)}
    return "; ".join(
        f"{kind_name(kind)} {number(pair[0])} to {number(pair[1])}"
        for kind, pair in found.items()
        if pair
    )


def number(value: float) -> str:
    """Return a pixel value as text: `4,095`, `-3.25`."""
    is_whole = abs(value) < 1e9 and value == round(value)
    return f"{value:,.0f}" if is_whole else f"{value:.4g}"
