"""A line with the first keys to know, until each of them has been used once."""

from collections.abc import Callable
from dataclasses import dataclass

from textual.content import Content
from textual.widgets import Static

from tui.preferences.settings import NO_HINTS_DONE
from tui.widgets.host import host


@dataclass(frozen=True, slots=True)
class Hint:
    """A key, the action it runs, and its effect."""

    action: str
    key: str
    text: str


class HintLine(Static):
    """Show the hints whose keys have not been used yet; the settings remember which have.

    It takes a row of the layout, so it is shown only where the screen says that one is free.
    """

    DEFAULT_CSS = """
    HintLine { height: 1; padding: 0 1; color: $foreground 80%; display: none; }
    HintLine { text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, place: str, hints: tuple[Hint, ...]) -> None:
        super().__init__(id="hint", markup=False)
        self._place = place
        self._hints = hints
        self._shown: list[Hint] = []

    def show(self, has_space: bool, applies: Callable[[str], bool]) -> None:
        """Show the unused keys whose action applies now, if the screen has a free row."""
        allowed = has_space and not host(self).read_only_reason
        shown = [h for h in self._hints if allowed and not self._is_done(h) and applies(h.action)]
        if shown != self._shown:
            self._shown = shown
            self.display = bool(shown)
            self.update(self._text(shown))

    def use(self, action: str) -> None:
        """Remember that the key of an action was used."""
        used = [hint for hint in self._shown if hint.action == action]
        if used:
            done = [*self._done, *map(self._saved_name, used)]
            host(self).set_preference("hints_done", " ".join(done))

    @property
    def _done(self) -> list[str]:
        names = host(self).preferences.settings.hints_done.split()
        return [name for name in names if name != NO_HINTS_DONE]

    def _is_done(self, hint: Hint) -> bool:
        return self._saved_name(hint) in self._done

    def _saved_name(self, hint: Hint) -> str:
        return f"{self._place}-{hint.action}"

    def _text(self, hints: list[Hint]) -> Content:
        parts: list[str | tuple[str, str]] = [("First steps  ", "$foreground 60%")]
        for number, hint in enumerate(hints):
            parts += [" · " if number else "", (hint.key, "bold $text-primary"), f" {hint.text}"]
        return Content.assemble(*parts)
