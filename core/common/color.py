"""Colors by name or as `#rrggbb`, as Pillow parses them."""


def is_color(text: str) -> bool:
    """Return whether Pillow parses the text as a color."""
    try:
        parse_color(text)
    except ValueError:
        return False
    return True


def parse_color(text: str) -> tuple[int, int, int]:
    """Return red, green and blue from 0 to 255; raise ValueError."""
    from PIL import ImageColor  # Pillow isn't needed to read most configurations

    red, green, blue = ImageColor.getrgb(text)[:3]
    return red, green, blue
