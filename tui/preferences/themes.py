"""The app's themes, in the colors of its charts."""

from dataclasses import replace
from typing import Any

from textual.theme import Theme

THEMES = (
    Theme(
        name="convnext",
        primary="#56b4e9",
        secondary="#cc79a7",
        success="#009e73",
        warning="#e69f00",
        error="#d55e00",
        accent="#f0e442",
        foreground="#d8dee4",
        background="#101418",
        surface="#171c22",
        panel="#222a33",
        dark=True,
    ),
    Theme(
        name="convnext-light",
        primary="#0072b2",
        secondary="#a04678",
        success="#00734f",
        warning="#b35900",
        error="#b42000",
        accent="#7a6f00",
        foreground="#1c232b",
        background="#fbfcfd",
        surface="#f0f3f6",
        panel="#dde4ea",
        dark=False,
        # Not the accent: with sixteen colors it becomes yellow on white.
        variables={"footer-key-foreground": "#005a8c"},
    ),
)

_FEW_ON_DARK: dict[str, Any] = {
    "primary": "#55ffff",
    "success": "#55ff55",
    "warning": "#ffff55",
    "error": "#ff5555",
    "accent": "#ffff55",
    "foreground": "#ffffff",
    "background": "#000000",
    "surface": "#000000",
    "panel": "#0000aa",
}
"""Colors that are far apart among sixteen: the terminal picks the nearest one, so orange and green
would become brown and grey."""


def themes_for(few: bool, gray: bool = False) -> tuple[Theme, ...]:
    """Return the app's themes for a terminal with `few` (sixteen) or many colors, or with `gray`
    for one that is to show none."""
    if gray:  # failures would be dark ones
        return tuple(
            replace(t, success=t.foreground, warning=t.foreground, error=t.foreground)
            for t in THEMES
        )
    return tuple(replace(t, **_FEW_ON_DARK) if few and t.dark else t for t in THEMES)
