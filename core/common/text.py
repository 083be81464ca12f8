"""Make text from outside (file names, class names, run names) safe to print on a terminal."""

import unicodedata

_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
# Zero-width joiner and variation selectors are part of emoji; alone they are harmless.
_ALLOWED = {"\u200d", "\ufe0e", "\ufe0f"}


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


def slug(text: str, limit: int = 40) -> str:
    """Return a run name as a folder name: ASCII letters, digits, `-` and `_`, never empty."""
    decomposed = unicodedata.normalize("NFKD", text)
    folded = "".join(c for c in decomposed if not unicodedata.combining(c))
    ascii_only = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else " " for c in folded)
    return "-".join(ascii_only.split())[:limit].strip("-") or "run"
