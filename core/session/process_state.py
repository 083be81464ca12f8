"""Settings of the whole process that training changes: a library call restores them."""

import os
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def restored_process_state() -> Iterator[None]:
    """Restore the random generators, the settings of torch, the warning filters and the environment
    variables of the process at the end.

    Imports torch and numpy, whose generators are among them.
    """
    import numpy as np
    import torch

    environment, filters = dict(os.environ), warnings.filters[:]
    generators = random.getstate(), np.random.get_state(), torch.get_rng_state()
    has_cuda = bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]
    devices = torch.cuda.get_rng_state_all() if has_cuda else []
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        random.setstate(generators[0])
        np.random.set_state(generators[1])
        torch.set_rng_state(generators[2])
        if devices:
            torch.cuda.set_rng_state_all(devices)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn
        warnings.filters[:] = filters  # type: ignore[index]
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)
