"""Make text from outside (file names, class names, run names) safe to print on a terminal."""

import unicodedata

_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
# Zero-width joiner and variation selectors are part of emoji; alone they are harmless.
_ALLOWED = {"\u200d", "\ufe0e", "\ufe0f"}
_INVISIBLE_LETTERS = {"\u115f", "\u1160", "\u3164", "\uffa0"}


def printable(text: str) -> str:
    r"""Return `text` on one line, with control, format and surrogate characters escaped.

    An escape character becomes the four visible characters `\x1b`: no escape sequence, line break,
    bidirectional override or undecodable byte reaches the terminal. Everything else is unchanged,
    a backslash too, so that applying it again changes nothing and a Windows path stays readable.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if _is_safe(c) else _escaped(c) for c in text)


def _is_safe(character: str) -> bool:
    return character in _ALLOWED or unicodedata.category(character) not in _UNSAFE


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def quoted(text: str) -> str:
    """Return `printable(text)` in quotation marks, with spaces other than the usual one escaped.

    Unlike `repr`, it doubles no backslash: neither of a Windows path nor of an escape.
    """
    mark = '"' if "'" in text else "'"
    visible = (c if c == " " or not c.isspace() else _escaped(c) for c in printable(text))
    return f"{mark}{''.join(visible)}{mark}"


def shortened(text: str, limit: int) -> str:
    """Return at most `limit` characters, cut after a word with an ellipsis."""
    if len(text) <= limit:
        return text
    words, _, _ = text[:limit].rpartition(" ")
    return f"{words or text[: limit - 1]}…"


def slug(text: str, limit: int = 40, allow_unicode: bool = False) -> str:
    """Return a run name as a folder name: letters, digits, `-` and `_`, never empty.

    Accents are removed where that leaves ASCII letters. What is still not ASCII is left out, or
    with `allow_unicode` kept in NFC. `limit` is in terminal cells.
    """
    kept: list[str] = []
    for character in unicodedata.normalize("NFC", text):
        kept.append(_folded(character, kept[-1:], allow_unicode))
    words = unicodedata.normalize("NFC", "".join(kept)).split()
    return _cut("-".join(words), limit).strip("-") or "run"


def _folded(character: str, before: list[str], allow_unicode: bool) -> str:
    """Return the ASCII letters of a character, or else itself if it is allowed, or else a space."""
    decomposed = unicodedata.normalize("NFKD", character)
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    if not allow_unicode or any(c.isascii() and c.isalnum() for c in plain):
        return "".join(c if c.isascii() and (c.isalnum() or c in "-_") else " " for c in plain)
    kind = unicodedata.category(character)[0]
    if kind == "M":  # such as the vowels of Thai and Hindi, but no accent without a letter
        after_letter = bool(before) and before[0] not in ("", " ") and not before[0].isascii()
        return character if after_letter and character not in _ALLOWED else ""
    is_letter = kind in "LN" and character not in _INVISIBLE_LETTERS
    return character if is_letter or character in "-_" else " "


def _cut(text: str, cells: int) -> str:
    """Return the beginning of a text that is at most this many terminal cells wide."""
    for index, character in enumerate(text):
        cells -= 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if cells < 0:
            return text[:index]
    return text
