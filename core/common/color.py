"""Colours as people write them, by name or as `#rrggbb`: those that Pillow knows."""


def is_color(text: str) -> bool:
    """Whether Pillow knows a colour by this text."""
    try:
        rgb(text)
    except ValueError:
        return False
    return True


def rgb(text: str) -> tuple[int, int, int]:
    """Return red, green and blue from 0 to 255; raises ValueError."""
    from PIL import ImageColor  # configurations are read before anything of pictures

    red, green, blue = ImageColor.getrgb(text)[:3]
    return red, green, blue
