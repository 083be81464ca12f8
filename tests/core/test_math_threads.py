"""Waiting math threads: settled before torch is there, but for what the person has set."""

import os
import subprocess
import sys

import pytest

from core.math_threads import share_the_cores


def test_threads_wait_briefly_unless_the_person_wants_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    share_the_cores()
    assert "GOMP_SPINCOUNT" not in os.environ
    monkeypatch.delenv("OMP_WAIT_POLICY")
    share_the_cores()
    assert int(os.environ["GOMP_SPINCOUNT"]) > 0


def test_an_engine_settles_it_before_it_loads_torch() -> None:
    program = (
        "import os, sys, core.begin\n"
        "begin = object.__new__(core.begin.Beginning)\n"
        "begin._emitter = type('', (), {'emit': lambda self, event: None})()\n"
        "begin._before_torch()\n"
        "assert 'torch' not in sys.modules\n"
        "print(os.environ['GOMP_SPINCOUNT'])\n"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert told.stdout.strip().isdigit(), told.stderr
