"""Images on a terminal without the app."""

import io

import pytest
from PIL import Image
from rich.console import Console

from core.inference.image_grid import confidence_color
from tui.cli.print_images import half_blocks, print_images


def test_a_cell_has_the_colors_of_two_pixels() -> None:
    image = Image.new("RGB", (2, 2))
    image.putdata([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)])
    text = half_blocks(image, 2)
    assert text.plain == "▀▀\n"
    assert [str(span.style) for span in text.spans] == ["#ff0000 on #0000ff", "#00ff00 on #ffffff"]


@pytest.mark.parametrize("size", [(1, 1000), (1000, 1), (7, 5)])
def test_any_aspect_ratio_stays_within_its_cells(size: tuple[int, int]) -> None:
    lines = half_blocks(Image.new("RGB", size), 20, 10).plain.splitlines()
    assert 1 <= len(lines) <= 10
    assert {len(line) for line in lines} <= set(range(1, 21))


def test_captions_are_escaped_and_truncated() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=70, color_system=None)
    print_images(
        console, [(None, ("[red]a\x1b[2J", "9" * 100)), (Image.new("RGB", (4, 4)), ("b",))]
    )
    assert "[red]a\\x1b[2J" in out.getvalue()
    assert "9" * 30 not in out.getvalue()


def test_confidence_colors_go_from_red_over_amber_to_green() -> None:
    red, amber, green = (confidence_color(value) for value in (0.0, 0.5, 1.0))
    assert red[0] > red[1] and green[1] > green[0] and amber[0] > amber[2]
    assert confidence_color(float("1.7")) == green
