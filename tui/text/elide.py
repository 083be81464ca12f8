"""Shorten a text in its middle: texts that begin alike are told apart by their ends."""

from rich.cells import cell_len, set_cell_size

PATH_END = 2 / 3
"""Share of a path's end: the file name tells more than the first folder."""


def elided(text: str, cells: int, end_share: float = 0.5) -> str:
    """Return `text` in at most `cells` cells, with an ellipsis in its middle where it is longer.

    `end_share` is the share of its end in what remains.
    """
    if cell_len(text) <= cells:
        return text
    if cells < 1:
        return ""
    end = ""
    for character in reversed(text):
        if cell_len(character + end) > int((cells - 1) * end_share):
            break
        end = character + end
    start = set_cell_size(text, cells - 1 - cell_len(end)).rstrip()
    return f"{start}…{end.lstrip()}"
