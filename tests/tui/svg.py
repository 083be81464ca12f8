"""The app's screen as an SVG that looks the same wherever it is opened, and fetches nothing.

Textual's own export names a font on a server, which a page may not load, and clips every line by
itself, which makes half of the file.
"""

import re
from io import StringIO

from rich.console import Console

from tui.app import ConvNextApp

_FONTS = "'DejaVu Sans Mono', Menlo, 'Liberation Mono', monospace"
_LINE = 24.4
"""Pixels that rich gives a line, with the text's base 20 below its beginning."""
_FONT_SIZE = _LINE / 1.164
"""Lines of the fonts above are 1.164 of their size: blocks and boxes meet without a gap."""
_CELL = 12.6
"""Pixels that a sign of these fonts is wide, 0.602 of their size, in a number without many digits;
`textLength` makes up for other fonts."""
_PAGE = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{width}} {{height}}">
<style>
text {{{{ font: {_FONT_SIZE:.2f}px {_FONTS}; white-space: pre }}}}
rect {{{{ shape-rendering: crispEdges }}}}
{{styles}}
</style>
<rect width="100%" height="100%" fill="PAPER"/>
<g transform="translate(9, 9)">
{{backgrounds}}
<g transform="translate(0, 0.95)">
{{matrix}}
</g>
</g>
</svg>
"""
_TITLE = 32
"""Pixels that rich leaves above the screen for a title, which is not drawn here."""
_SIZE = re.compile(r'viewBox="0 0 (?P<width>\d+) (?P<height>[\d.]+)"')
_NEEDLESS = re.compile(
    r' clip-path="url\(#[^)]*\)"| shape-rendering="crispEdges"|<text [^>]*>\n</text>'
)


def screen_svg(app: ConvNextApp) -> str:
    """Return what the running app shows now."""
    console = Console(
        width=app.size.width,
        height=app.size.height,
        file=StringIO(),
        force_terminal=True,
        color_system="truecolor",
        record=True,
        legacy_windows=False,
        safe_box=False,
    )
    behind = app._background_screens
    console.print(
        app.screen._compositor.render_update(full=True, screen_stack=behind, simplify=True)
    )
    svg = console.export_svg(
        title="", code_format=_PAGE, font_aspect_ratio=_CELL / 20, unique_id="t"
    )
    # Spaces that no reader of SVG takes away, whatever it makes of `white-space`.
    svg = (
        _NEEDLESS.sub("", svg)
        .replace("&#160;", "\xa0")
        .replace("PAPER", app.get_css_variables()["background"])
    )
    return _SIZE.sub(_without_title, svg, count=1)


def _without_title(size: re.Match[str]) -> str:
    return f'viewBox="0 0 {size["width"]} {float(size["height"]) - _TITLE:g}"'
