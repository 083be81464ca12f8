"""Making text from outside (file names, class names, run names) safe to put on a terminal."""

import unicodedata

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
# Zero-width joiner and variation selectors build emoji; alone they do no harm.
_KEPT = {"\u200d", "\ufe0e", "\ufe0f"}


def printable(text: str) -> str:
    """Return `text` on one line, with every control, format and surrogate character spelt out.

    A name such as ``"a\\x1b[2Jb"`` comes back as the visible ``"a\\\\x1b[2Jb"``: no escape
    sequence, line break, bidirectional override or undecodable byte reaches the terminal.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if _is_safe(c) else _spelt_out(c) for c in text)


def _is_safe(character: str) -> bool:
    return character in _KEPT or unicodedata.category(character) not in _HIDDEN


def _spelt_out(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def slug(text: str, limit: int = 40) -> str:
    """Turn a run's name into a folder name: ASCII letters, digits, `-` and `_`, never empty."""
    decomposed = unicodedata.normalize("NFKD", text)
    folded = "".join(c for c in decomposed if not unicodedata.combining(c))
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else " " for c in folded)
    return "-".join(kept.split())[:limit].strip("-") or "run"
