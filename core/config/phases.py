"""Names of the two phases; separate from the schema, which takes long to import."""

HEAD, FULL = "head", "full"
PHASES = (HEAD, FULL)
"""All phases, in training order."""


def auto_patience(epochs: int) -> int:
    """Return the patience `auto` of a phase of at most `epochs` epochs."""
    return max(3, round(epochs / 3))


def auto_warmup(epochs: int) -> float:
    """Return the warm-up `auto` of a phase of at most `epochs` epochs, in epochs."""
    return epochs / 10
