"""The two phases by name: apart from their configuration, which takes long to import."""

PHASES = ("head", "full")


def is_later(phase: str, than: str) -> bool:
    """Whether a phase comes after another; a name that is none comes last."""
    order = [*PHASES, phase, than]
    return order.index(phase) > order.index(than)
