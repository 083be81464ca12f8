"""Features that one rank has computed, for all ranks."""

import numpy as np

from core.distributed.process_group import ProcessGroup
from core.training.features.store import FeatureStore

_ROWS_BYTES = 64 << 20
"""What goes over the network at once."""


def exchange(store: FeatureStore, group: ProcessGroup) -> None:
    """Give every rank's store the rows that any rank's has; then all know the same.

    TorchProcessGroup of one machine have the same files, and find each other's rows there.
    """
    store.reload()
    known = np.stack(group.gather(store.known))
    wanted = np.asarray(known.any(axis=0) & ~known.all(axis=0))
    step = max(1, _ROWS_BYTES // (4 * store.width))
    for giver in range(group.size):
        places = np.flatnonzero(wanted & known[giver])
        wanted[places] = False
        for begin in range(0, len(places), step):
            some = places[begin : begin + step]
            rows = group.gather(store.rows[some] if giver == group.rank else None)[giver]
            if rows is not None:
                lacking = ~store.known[some]
                store.write(some[lacking].tolist(), rows[lacking])
