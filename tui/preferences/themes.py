"""The app's themes, in the colors of its charts."""

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
