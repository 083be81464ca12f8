"""Textual app on this program's terminal driver, with keys of any keyboard layout."""

import time
import unicodedata
from typing import TypeVar

from textual.app import App
from textual.events import Key

from core.common.text import printable
from tui.terminal.driver import TerminalDriver, choose_driver

_Result = TypeVar("_Result")
_HINT = "Key '{}' is not bound. Key bindings use Latin letters; switch the keyboard layout."
_HINT_SECONDS = 10.0
"""Shortest time between two hints about the keyboard layout."""


class TerminalApp(App[_Result]):
    """App whose key bindings also work in keyboard layouts without Latin letters, where the
    terminal reports the place of a key; elsewhere a notification names the reason.

    Places are not guessed from letters: one letter has different places in the Russian, Bulgarian
    and phonetic layouts, and a wrong guess would stop a run.
    """

    def __init__(self) -> None:
        super().__init__(driver_class=choose_driver())
        self._next_hint = 0.0

    def write_to_terminal(self, sequences: str) -> None:
        """Write control sequences to the terminal, past the screen."""
        if sequences and self._driver is not None:
            self._driver.write(sequences)

    def on_key(self, event: Key) -> None:
        """Handle a key that no widget has taken and that is not in the Latin alphabet."""
        modifiers, plus, name = event.key.rpartition("+")
        character = event.character or name
        if not _is_foreign(character):
            return
        base = self._base_key(character)
        if base and not modifiers:
            self.simulate_key(base)
        elif time.monotonic() >= self._next_hint:
            self._next_hint = time.monotonic() + _HINT_SECONDS
            key = f"{modifiers}{plus}{printable(character)}"
            self.notify(_HINT.format(key), severity="warning", markup=False)

    def _base_key(self, character: str) -> str:
        """Return the ASCII key of a character, empty if it is not known."""
        reported = self._driver.base_keys if isinstance(self._driver, TerminalDriver) else {}
        digit = unicodedata.decimal(character, None)
        letter = unicodedata.normalize("NFKC", character)  # of a full-width one
        same = letter if letter.isascii() else "" if digit is None else str(digit)
        return reported.get(character, same)


def _is_foreign(character: str) -> bool:
    """Return whether a character is a letter, mark or digit of a script other than Latin."""
    if len(character) != 1 or character.isascii():
        return False
    latin = unicodedata.name(character, "").startswith("LATIN ")
    return not latin and unicodedata.category(character)[0] in "LMN"
