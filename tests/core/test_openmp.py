"""OpenMP threads spin briefly unless the user has set otherwise."""

import os

import pytest

from core.common.openmp import limit_openmp_spinning


def test_threads_spin_briefly_unless_the_user_set_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    limit_openmp_spinning()
    assert "GOMP_SPINCOUNT" not in os.environ
    monkeypatch.delenv("OMP_WAIT_POLICY")
    limit_openmp_spinning()
    assert int(os.environ["GOMP_SPINCOUNT"]) > 0
