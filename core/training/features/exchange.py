"""Features that one rank has computed, for all ranks."""

import numpy as np

from core.distributed.group import Team
from core.training.features.store import FeatureStore

_ROWS_BYTES = 64 << 20
"""What goes over the network at once."""


def exchange(store: FeatureStore, team: Team) -> None:
    """Give every rank's store the rows that any rank's has; then all know the same.

    Ranks of one machine have the same files, and find each other's rows there.
    """
    store.look_again()
    known = np.stack(team.gather(store.known))
    wanted = np.asarray(known.any(axis=0) & ~known.all(axis=0))
    step = max(1, _ROWS_BYTES // (4 * store.width))
    for giver in range(team.size):
        places = np.flatnonzero(wanted & known[giver])
        wanted[places] = False
        for begin in range(0, len(places), step):
            some = places[begin : begin + step]
            rows = team.gather(store.rows[some] if giver == team.rank else None)[giver]
            if rows is not None:
                lacking = ~store.known[some]
                store.write(some[lacking].tolist(), rows[lacking])
