"""Remove the metadata of an image file that keeps its pixels from being read.

Pillow refuses a whole file for a damaged or very large block of metadata, which browsers skip. Only
files that it refuses get here: of all others, nothing is copied or changed.
"""

import struct
from collections.abc import Iterator

_PNG, _JPEG, _GIF = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", (b"GIF87a", b"GIF89a")
_TIFF = {b"II*\0": "<", b"MM\0*": ">"}
_PNG_KEPT = {b"tRNS", b"sBIT", b"eXIf", b"acTL", b"fcTL", b"fdAT"}
"""Chunks besides the critical ones that affect the pixels: transparency, depth, orientation, the
frames of an animation."""
_WEBP_PIXELS = {b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"}
_WEBP_METADATA_FLAGS = 0b00101100
"""Flags of VP8X that announce an ICC profile, EXIF and XMP."""
_TIFF_KEPT = {
    *(256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324),
    *(325, 332, 334, 338, 339, 347, 529, 530, 531, 532, 280, 281, 340, 341, 42113),
}
"""Tags that determine the pixels."""
_ORIENTATION, _FILL_ORDER, _SHORT = 274, 266, 3


def without_metadata(data: bytes) -> Iterator[bytes]:
    """Yield the content of an image file with less and less metadata; nothing if there is none that
    could be removed."""
    before = data
    for candidate in _candidates(data):
        if candidate and candidate != before:
            before = candidate
            yield candidate


def _candidates(data: bytes) -> Iterator[bytes]:
    if data.startswith(_PNG):
        yield _strip_png(data, _PNG_KEPT)
        yield _strip_png(data, set())
    elif data.startswith(_JPEG):
        yield _strip_jpeg(data, keep_exif=True)
        yield _strip_jpeg(data, keep_exif=False)
    elif data.startswith(_GIF):
        yield _strip_gif(data)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        yield _strip_webp(data)
    elif data[:4] in _TIFF:
        yield _strip_tiff(data, _TIFF[data[:4]])


def _strip_png(data: bytes, kept: set[bytes]) -> bytes:
    parts, position = [data[:8]], 8
    while position + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        name = data[position + 4 : position + 8]
        end = position + 12 + length
        is_critical = not name[0] & 0x20
        if is_critical or name in kept:
            parts.append(data[position:end])
        position = end
    return b"".join(parts)


def _strip_jpeg(data: bytes, keep_exif: bool) -> bytes:
    parts, position = [data[:2]], 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # padding
            position += 1
            continue
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        segment = data[position:end]
        if marker == 0xDA:  # start of scan: pixels follow
            return b"".join([*parts, data[position:]])
        if _is_needed_by_jpeg(marker, segment, keep_exif):
            parts.append(segment)
        position = end
    return b""


def _is_needed_by_jpeg(marker: int, segment: bytes, keep_exif: bool) -> bool:
    content = segment[4:]
    if marker == 0xE0:
        return content.startswith(b"JFIF\0") and len(content) >= 14
    if marker == 0xE1:
        return keep_exif and content.startswith(b"Exif\0\0")
    if marker == 0xEE:  # how the colors are stored
        return content.startswith(b"Adobe") and len(content) >= 12
    return not 0xE2 <= marker <= 0xEF and marker != 0xFE


def _strip_gif(data: bytes) -> bytes:
    if len(data) < 13:
        return b""
    position = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    parts = [data[:position]]
    while position + 2 <= len(data) and data[position] == 0x21:  # an extension
        end = position + 2
        while end < len(data) and data[end]:
            end += 1 + data[end]
        end += 1
        is_graphic_control = data[position + 1] == 0xF9 and end - position == 8
        if is_graphic_control:
            parts.append(data[position:end])
        position = end
    return b"".join([*parts, data[position:]])


def _strip_webp(data: bytes) -> bytes:
    parts, position = [], 12
    while position + 8 <= len(data):
        name = data[position : position + 4]
        (length,) = struct.unpack_from("<I", data, position + 4)
        end = position + 8 + length + (length & 1)
        chunk = bytearray(data[position:end])
        if name == b"VP8X" and length == 10:
            chunk[8] &= ~_WEBP_METADATA_FLAGS & 0xFF
        if name in _WEBP_PIXELS:
            parts.append(bytes(chunk))
        position = end
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _strip_tiff(data: bytes, order: str) -> bytes:
    if len(data) < 8:
        return b""
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    if start + 2 > len(data):
        return b""
    (count,) = struct.unpack_from(f"{order}H", data, start)
    end = start + 2 + 12 * count
    if end + 4 > len(data):
        return b""
    entries = [data[here : here + 12] for here in range(start + 2, end, 12)]
    kept = [entry for entry in entries if _determines_pixels(entry, order)]
    directory = struct.pack(f"{order}H", len(kept)) + b"".join(kept) + bytes(4)  # no other frame
    return data[:start] + directory + data[start + len(directory) :]


def _determines_pixels(entry: bytes, order: str) -> bool:
    tag, kind, count, value = (int(part) for part in struct.unpack(f"{order}HHIH", entry[:10]))
    if tag in (_ORIENTATION, _FILL_ORDER):
        most = 8 if tag == _ORIENTATION else 2
        return kind == _SHORT and count == 1 and 1 <= value <= most
    return tag in _TIFF_KEPT
