"""Limits of what a user may change while a run trains: the engine and all inputs share them."""

import math

MAX_PATIENCE = 100_000
MAX_LR = 10.0


def patience_problem(patience: int) -> str:
    """Return why an early-stopping patience (epochs) is refused; empty if it is accepted."""
    if 1 <= patience <= MAX_PATIENCE:
        return ""
    return f"patience must be 1 to {MAX_PATIENCE:,}, not {patience}"


def lr_problem(lr: float) -> str:
    """Return why a learning rate is refused; empty if it is accepted."""
    if math.isfinite(lr) and 0 < lr <= MAX_LR:
        return ""
    return f"the learning rate must be above 0 and at most {MAX_LR:g}, not {lr:g}"
