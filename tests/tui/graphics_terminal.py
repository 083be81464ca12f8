"""A terminal that decodes images as strictly as their specifications allow.

Kitty's graphics protocol with Unicode placeholders: https://sw.kovidgoyal.net/kitty/graphics-protocol
Sixels: DEC STD 070, chapter 9, and the VT330/VT340 programmer's reference, chapter 14.
"""

import base64
import io
import re
from dataclasses import dataclass, field

from PIL import Image
from rich.cells import cell_len
from textual_image.renderable.tgp import _NUMBER_TO_DIACRITIC as DIACRITICS

PLACEHOLDER = "\U0010eeee"
CELL = 10, 20
"""Pixels of a cell."""
_TOKEN = re.compile(
    r"\x1b_(?P<apc>.*?)\x1b\\|\x1bP(?P<dcs>.*?)\x1b\\|\x1b\](?P<osc>.*?)(?:\x07|\x1b\\)"
    r"|\x1b\[(?P<csi>[0-?]*[ -/]*[@-~])|(?P<escape>\x1b[()]?.)|(?P<text>.)",
    re.DOTALL,
)
_KEYS = {
    "t": set("atfsvSOiIpomq"),
    "p": set("aiIpxywhXYcrCUzPQHVq"),
    "d": set("adiIpxyzq"),
}
_DELETABLE = set("aAiInNcCfFpPqQrRxXyYzZ")
_NEEDS = {"i": "i", "n": "I"}
_CHUNK = 4096


@dataclass
class KittyImage:
    """An image in the terminal's memory."""

    pixels: Image.Image
    placement: tuple[int, int] | None = None
    """Columns and rows of its virtual placement."""


@dataclass(frozen=True)
class Cell:
    text: str
    color: tuple[int, ...] = ()
    """Foreground in RGB."""


@dataclass
class GraphicsTerminal:
    """A screen of cells, images, and sixels below the cells' text."""

    images: dict[int, KittyImage] = field(default_factory=dict)
    cells: dict[tuple[int, int], Cell] = field(default_factory=dict)
    """By row and column."""
    sixels: dict[tuple[int, int], Image.Image] = field(default_factory=dict)
    """Pixels of cells that no text has been written to since."""
    _row: int = 0
    _column: int = 0
    _color: tuple[int, ...] = ()
    _loading: dict[str, str] | None = None
    _payload: str = ""

    def feed(self, output: str) -> None:
        """Process output of the app."""
        for token in _TOKEN.finditer(output):
            kind, value = token.lastgroup, token.group(token.lastgroup or 0)
            if kind == "apc":
                assert value.startswith("G"), value
                self._graphics(value[1:])
            elif kind == "dcs":
                self._draw_sixels(decode_sixels(value))
            elif kind == "csi":
                self._control(value)
            elif kind == "text":
                self._write(value)

    def _control(self, sequence: str) -> None:
        numbers = [int(n) for n in re.findall(r"\d+", sequence)]
        if sequence.endswith("H"):
            row, column = (*numbers, 1, 1)[:2] if numbers else (1, 1)
            self._row, self._column = row - 1, column - 1
        elif sequence.endswith("m"):
            if numbers[:1] in ([], [0]):
                self._color = ()
            colors = re.search(r"(?:^|;)38;2;(\d+);(\d+);(\d+)", sequence)
            if colors:
                self._color = tuple(map(int, colors.groups()))
        elif sequence in ("2J", "?1049h"):
            self.cells.clear()
            self.sixels.clear()
            self.images.clear()

    def _write(self, character: str) -> None:
        if character in "\r\n":
            self._column = 0 if character == "\r" else self._column
            self._row += character == "\n"
            return
        if ord(character) in DIACRITICS or (not cell_len(character) and character != PLACEHOLDER):
            at = self._row, self._column - 1
            if at in self.cells:
                before = self.cells[at]
                self.cells[at] = Cell(before.text + character, before.color)
            return
        at = self._row, self._column
        self.cells[at] = Cell(character, self._color)
        self.sixels.pop(at, None)
        self._column += max(1, cell_len(character))

    # Kitty's graphics protocol

    def _graphics(self, command: str) -> None:
        control, _, payload = command.partition(";")
        keys = dict(item.split("=") for item in control.split(","))
        assert all(re.fullmatch(r"[a-zA-Z]", key) for key in keys), control
        for key in keys.keys() & set("iIpscrvq"):
            assert 0 <= int(keys[key]) < 1 << 32, control
        if self._loading is not None:
            # Later chunks have only the key m, and optionally q.
            assert set(keys) <= {"m", "q"}, control
            self._add_chunk(keys, payload)
            return
        action = keys.get("a", "t")
        assert action in _KEYS, control
        assert set(keys) <= _KEYS[action], control
        if action == "t":
            assert keys.get("t", "d") == "d", control
            assert int(keys["i"]) > 0, control
            assert keys.get("q") == "2", f"the terminal's answer would be read as keys: {control}"
            self._loading, self._payload = keys, ""
            self._add_chunk(keys, payload)
        elif action == "p":
            assert (keys.get("U"), keys.get("q")) == ("1", "2"), control
            assert not payload, control
            size = int(keys["c"]), int(keys["r"])
            assert min(size) > 0, control
            self.images[int(keys["i"])].placement = size
        else:
            self._delete(keys)

    def _add_chunk(self, keys: dict[str, str], payload: str) -> None:
        is_last = keys.get("m", "0") == "0"
        assert keys.get("m", "0") in "01"
        assert len(payload) <= _CHUNK
        assert is_last or len(payload) % 4 == 0
        self._payload += payload
        if is_last:
            loading, self._loading = self._loading, None
            assert loading is not None
            assert loading.get("f") == "100", loading
            data = base64.b64decode(self._payload, validate=True)
            with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
                self.images[int(loading["i"])] = KittyImage(image.convert("RGB"))

    def _delete(self, keys: dict[str, str]) -> None:
        what = keys.get("d", "a")
        assert what in _DELETABLE, keys
        needed = _NEEDS.get(what.lower())
        assert set(keys) - {"a", "d", "q", "p"} == ({needed} if needed else set()), keys
        # Virtual placements are deleted by id or number only.
        if what.lower() == "i":
            image = self.images.get(int(keys["i"]))
            if image:
                image.placement = None
            if what == "I":
                self.images.pop(int(keys["i"]), None)

    def kitty_cells(self) -> dict[tuple[int, int], tuple[int, int, int]]:
        """Return image id, row and column in the image of all cells that show an image."""
        found: dict[tuple[int, int], tuple[int, int, int]] = {}
        for at, cell in self.cells.items():
            if not cell.text.startswith(PLACEHOLDER) or len(cell.color) != 3:
                continue
            row, column, high = (DIACRITICS.index(ord(mark)) for mark in cell.text[1:4])
            red, green, blue = cell.color
            id = high << 24 | red << 16 | green << 8 | blue
            image = self.images.get(id)
            if image and image.placement:
                columns, rows = image.placement
                if row < rows and column < columns:
                    found[at] = id, row, column
        return found

    @property
    def lost_cells(self) -> int:
        """The number of placeholders that show nothing."""
        placeholders = [cell for cell in self.cells.values() if cell.text.startswith(PLACEHOLDER)]
        return len(placeholders) - len(self.kitty_cells())

    # Sixels

    def _draw_sixels(self, image: Image.Image) -> None:
        width, height = CELL
        for row in range(-(-image.height // height)):
            for column in range(-(-image.width // width)):
                box = (column * width, row * height, (column + 1) * width, (row + 1) * height)
                at = self._row + row, self._column + column
                self.sixels[at] = image.crop(box)

    def sixel_image(self) -> tuple[Image.Image, tuple[int, int]] | None:
        """Return the visible sixels as one image, with the row and column of its corner."""
        if not self.sixels:
            return None
        rows, columns = zip(*self.sixels, strict=True)
        top, left = min(rows), min(columns)
        size = (max(columns) - left + 1) * CELL[0], (max(rows) - top + 1) * CELL[1]
        whole = Image.new("RGB", size)
        for (row, column), part in self.sixels.items():
            whole.paste(part, ((column - left) * CELL[0], (row - top) * CELL[1]))
        return whole, (top, left)


_SIXEL_TOKEN = re.compile(r"#(\d+)(?:;(\d+);(\d+);(\d+);(\d+))?|!(\d+)([?-~])|([?-~])|([$-])")


def decode_sixels(data: str) -> Image.Image:
    """Return the image of a sixel sequence, its introducer and terminator left out."""
    header = re.match(r'(?:\d*;){0,2}\d*q"(\d+);(\d+);(\d+);(\d+)', data)
    assert header, data[:40]
    across, down, width, height = map(int, header.groups())
    assert across == down, "pixels are square"
    image = Image.new("RGB", (width, height))
    pixels = image.load()
    assert pixels is not None
    registers: dict[int, tuple[int, ...]] = {}
    painted: set[tuple[int, int]] = set()
    color: tuple[int, ...] | None = None
    x = y = 0
    end = header.end()
    for token in _SIXEL_TOKEN.finditer(data, header.end()):
        assert token.start() == end, data[end : end + 20]
        end = token.end()
        register, system, *rgb, count, repeated, single, move = token.groups()
        if register is not None:
            assert int(register) < 256
            if system is not None:
                assert system == "2"
                assert all(int(part) <= 100 for part in rgb)
                registers[int(register)] = tuple(round(int(part) * 2.55) for part in rgb)
            color = registers[int(register)]
        elif move:
            x, y = 0, y + (6 if move == "-" else 0)
        else:
            bits = ord(repeated or single) - 63
            first, x = x, x + int(count or 1)
            for column in range(first, x):
                for bit in range(6):
                    if bits >> bit & 1:
                        assert color is not None
                        assert column < width
                        assert y + bit < height
                        pixels[column, y + bit] = color  # type: ignore[assignment]
                        painted.add((column, y + bit))
    assert end == len(data), data[end : end + 20]
    assert len(painted) == width * height, "an opaque image has all pixels"
    return image
