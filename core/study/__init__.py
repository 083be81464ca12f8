"""Studies: several runs that answer one question together.

As a library: `from core.study import study`. The name is imported on first use (PEP 562).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.study.run_study import study as study


def __getattr__(name: str) -> Any:
    if name != "study":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from core.common.openmp import limit_openmp_spinning

    limit_openmp_spinning()
    from core.study.run_study import study

    return study
