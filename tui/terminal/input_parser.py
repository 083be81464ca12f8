"""Parse terminal input with Textual's parser, so that no input ends the thread that reads it.

Textual's parser raises an error for keys with sub-parameters (kitty keyboard protocol), for code
points that do not exist and for mouse reports of a terminal without a size in pixels, and is
unusable afterwards. Sequences that it does not know, such as late answers to the queries of another
program, it types as keys.
"""

import re
from collections.abc import Iterator
from time import monotonic

from textual._xterm_parser import XTermParser
from textual.message import Message

_SEQUENCE = re.compile(
    r"\x1b\[(?P<prefix>[<=>?]?)(?P<fields>[0-9;:]*)(?P<final>[ -/]*[@-~])"
    # Strings (OSC, DCS, APC): answers of the terminal.
    r"|\x1b(?:\][0-9]|P[0-9>!$+]|_G)[^\x07\x1b]*(?:\x07|\x1b\\)"
)
_ALT_BRACKET = "\x1b["
_INCOMPLETE = re.compile(r"(?:\x1b\[[0-?]*[ -/]*|\x1b(?:\][0-9]|P[0-9>!$+]|_G)[^\x07\x1b]*\x1b?)\Z")
_WAIT_SECONDS = 0.1
"""How long the rest of a sequence is waited for."""
_KEY = re.compile(r"(?P<codes>[0-9:]*)(?:;(?P<modifiers>[0-9:]*))?(?:;(?P<text>[0-9:]*))?")
_KEY_FINALS = frozenset("~uABCDEFGHPQRSZ")
_MORE_KEYS = re.compile(r"(?:[0-9]{0,2}|1;[0-9]{1,2})[@^$abcdpqrstvwxyIO\[]")
"""Keys of rxvt and the Linux console, and focus reports."""
_RELEASED = "3"
_SHIFT, _LOCKS = 0b1, 0b1100_0000
"""Modifiers: shift; caps lock and num lock."""
_MOUSE = re.compile(r"-?[0-9]{1,3};-?[0-9]{1,5};-?[0-9]{1,5}")
_LONGEST_SEQUENCE = 32
"""Textual types longer ones as keys."""
_MOST_CELLS = 1_000_000
"""Largest terminal size that is believed."""


class InputParser:
    """Textual's XTermParser, for any input: drops sequences that it fails on or does not know."""

    def __init__(self, debug: bool = False) -> None:
        """Create a parser; `debug` is that of Textual's parser."""
        self.base_keys: dict[str, str] = {}
        """Characters of the keyboard layout in use, and the key of the US layout in their place,
        as far as the terminal has reported them."""
        self._debug = debug
        self._parser = XTermParser(debug)
        self._held = ""
        self._held_since = 0.0

    def feed(self, text: str) -> Iterator[Message]:
        """Yield the events of this input; an empty text is its end."""
        if not text:
            return
        text = self._held + text
        incomplete = _INCOMPLETE.search(text)
        self._held = incomplete[0] if incomplete else ""
        self._held_since = monotonic()
        yield from self._parse(text[: len(text) - len(self._held)])

    def tick(self) -> Iterator[Message]:
        """Yield the events of input that is complete only because nothing follows it."""
        if self._held and monotonic() - self._held_since > _WAIT_SECONDS:
            held, self._held = self._held, ""
            if held == _ALT_BRACKET or _MORE_KEYS.fullmatch(held.removeprefix(_ALT_BRACKET)):
                yield from self._parse(held)
        try:
            yield from self._parser.tick()
        except Exception:
            self._replace_parser()

    def _parse(self, text: str) -> Iterator[Message]:
        # One at a time: after an error the parser continues with the next character.
        for character in _SEQUENCE.sub(self._cleaned, text):
            try:
                yield from self._parser.feed(character)
            except Exception:  # none that a newer version raises may end the thread, either
                self._replace_parser()

    def _replace_parser(self) -> None:
        """Continue with a new parser, as an error has ended the generator of the previous one."""
        previous, self._parser = self._parser, XTermParser(self._debug)
        self._parser.mouse_pixels = previous.mouse_pixels
        self._parser.terminal_size = previous.terminal_size
        self._parser.terminal_pixel_size = previous.terminal_pixel_size

    def _cleaned(self, match: re.Match[str]) -> str:
        """Return a sequence as Textual's parser accepts it, empty for one to be ignored."""
        prefix, fields, final = match["prefix"], match["fields"], match["final"]
        if final is None:
            return ""
        if final in ("M", "m"):
            plain = not (prefix or fields) or (prefix in ("", "<") and _MOUSE.fullmatch(fields))
            return match[0] if plain else ""
        if prefix:
            reports_mode = prefix == "?" and final == "$y" and len(match[0]) <= _LONGEST_SEQUENCE
            return match[0] if reports_mode else ""
        if final in _KEY_FINALS:
            return self._cleaned_key(fields, final)
        if final == "t" and fields.startswith("48;"):
            return _cleaned_size(fields)
        return match[0] if _MORE_KEYS.fullmatch(fields + final) else ""

    def _cleaned_key(self, fields: str, final: str) -> str:
        """Return the sequence of a key without sub-parameters: the key with shift and in the US
        layout, and the kind of event."""
        match = _KEY.fullmatch(fields)
        if match is None:
            return ""
        code, shifted, base = [*match["codes"].split(":"), "", ""][:3]
        modifiers, event = [*(match["modifiers"] or "").split(":"), ""][:2]
        texts = (match["text"] or "").split(":")
        exists = all(map(_is_character, (code, shifted, base, *texts)))
        if not exists or event == _RELEASED or (final == "u" and not code):
            return ""
        pressed = 0 if any(texts) else max(0, int(modifiers or 1) - 1) & ~_LOCKS
        if shifted and pressed == _SHIFT:
            texts = [shifted]
        if base and int(code or 0) > 127:
            self._note_base(code, shifted, base)
            if pressed & ~_SHIFT:
                code = base
        if match["modifiers"] is None:
            return f"\x1b[{code}{final}"
        if match["text"] is None and not any(texts):
            return f"\x1b[{code};{modifiers}{final}"
        # One for each character: an emoji may consist of many.
        return "".join(f"\x1b[{code};{modifiers};{text}{final}" for text in texts)

    def _note_base(self, code: str, shifted: str, base: str) -> None:
        key = chr(int(base))
        self.base_keys[chr(int(code))] = key
        if shifted and key.isalpha():
            self.base_keys[chr(int(shifted))] = key.upper()


def _is_character(code: str) -> bool:
    """Return whether a code point exists; an omitted one does."""
    if not code:
        return True
    return len(code) < 8 and int(code) <= 0x10FFFF and not 0xD800 <= int(code) <= 0xDFFF


def _cleaned_size(fields: str) -> str:
    """Return a report of the terminal's size, with a pixel per cell where it has none."""
    numbers = [field.partition(":")[0] for field in fields.split(";")][1:]
    if len(numbers) != 4 or not all(number and len(number) < 6 for number in numbers):
        return ""
    rows, columns, height, width = map(int, numbers)
    if not (rows and columns and rows * columns <= _MOST_CELLS):
        return ""
    return f"\x1b[48;{rows};{columns};{height or rows};{width or columns}t"
