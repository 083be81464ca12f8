"""Shorten a name in its middle: names that begin alike are told apart by their ends."""

from rich.cells import cell_len, set_cell_size


def elided(text: str, cells: int) -> str:
    """Return `text` in at most `cells` cells, with an ellipsis in its middle where it is longer."""
    if cell_len(text) <= cells:
        return text
    if cells < 1:
        return ""
    end = ""
    for character in reversed(text):
        if cell_len(character + end) > (cells - 1) // 2:
            break
        end = character + end
    start = set_cell_size(text, cells - 1 - cell_len(end)).rstrip()
    return f"{start}…{end.lstrip()}"
