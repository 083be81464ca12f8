"""How the threads of one computation wait for each other."""

import os

_SETTINGS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
_SPINS = "3000"


def limit_openmp_spinning() -> None:
    """Let math threads that wait go to sleep soon, so that others can have the core; before torch
    is loaded, whose OpenMP library looks at this only once.

    Usually they spin for milliseconds, and as soon as anything else wants one of the cores (loader
    workers, another person's job), each of a step's hundreds of meeting points costs that much. On
    two cores beside three other programs a step that takes 0.04 s alone took 0.4 to 4 s, with a
    short spin 0.1 to 0.2 s; alone it is as fast either way. No number changes. What the person has
    set stands.
    """
    if not any(name in os.environ for name in _SETTINGS):
        os.environ["GOMP_SPINCOUNT"] = _SPINS
