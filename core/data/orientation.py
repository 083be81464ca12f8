"""Apply the EXIF orientation of an image."""

from PIL import Image, ImageOps


def upright(image: Image.Image) -> Image.Image:
    """Return the image turned as its EXIF orientation says; a damaged EXIF block is ignored."""
    try:
        return ImageOps.exif_transpose(image) or image
    except Exception:  # a damaged EXIF block doesn't affect the pixels
        return image
