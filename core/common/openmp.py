"""OpenMP settings for machines whose cores are shared with other processes."""

import os

_SETTINGS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
_SPINS = "3000"


def limit_openmp_spinning() -> None:
    """Make waiting math threads sleep after a short spin; call it before torch is imported, as
    OpenMP reads the setting only once.

    By default they spin for milliseconds, and whenever another process (loader workers, another
    user's job) needs the core, each of the hundreds of barriers per step costs that much. On two
    cores shared with three other programs, a step that takes 0.04 s alone took 0.4 to 4 s by
    default and 0.1 to 0.2 s with a short spin; alone it is equally fast. Results don't change. A
    value set by the user is kept.
    """
    if not any(name in os.environ for name in _SETTINGS):
        os.environ["GOMP_SPINCOUNT"] = _SPINS
