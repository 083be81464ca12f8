"""Shorten texts to a number of cells."""

from rich.cells import cell_len, set_cell_size


def without_middle(text: str, cells: int) -> str:
    """Return a text in at most `cells` cells, at least 2: both ends of it tell it from others."""
    cells = max(2, cells)
    if cell_len(text) <= cells:
        return text
    head = (cells - 1) // 3
    start, end = set_cell_size(text, head), text
    while cell_len(end) > cells - 1 - head:
        end = end[1:]
    return f"{start.rstrip()}…{end}"
