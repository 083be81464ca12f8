"""Subprocesses of this program end with the task that waits for them."""

import asyncio

import psutil
import pytest

from core.common.subprocesses import run_module

SLEEP = ("timeit", "-n", "1", "-r", "1", "import time; time.sleep(60)")


def sleeping() -> list[psutil.Process]:
    """Return this process's children that run `SLEEP`; a zombie has no command line."""
    children = [(child, child.as_dict(["cmdline"])) for child in psutil.Process().children()]
    return [child for child, known in children if (known["cmdline"] or [])[2:] == [*SLEEP]]


async def test_output_and_exit_code_are_returned() -> None:
    code, output, errors = await run_module("timeit", "-n", "1", "-r", "1", "print('a' * 99_999)")
    assert (code, output[:99_999], errors) == (0, b"a" * 99_999, b"")
    code, output, errors = await run_module("timeit", "raise ValueError('no')")
    assert (code, output) == (1, b"") and errors.endswith(b"ValueError: no\n")


async def test_a_process_is_killed_after_its_time() -> None:
    with pytest.raises(TimeoutError):
        await run_module(*SLEEP, seconds=0.01)
    assert not psutil.wait_procs(sleeping(), timeout=20)[1]


@pytest.mark.parametrize("steps", range(1, 7))
def test_a_loop_that_ends_while_a_process_starts_ends_it(steps: int) -> None:
    async def leave() -> None:
        task = asyncio.create_task(run_module(*SLEEP))
        for _ in range(steps):
            await asyncio.sleep(0)
        assert not task.done()

    asyncio.run(leave())
    assert not psutil.wait_procs(sleeping(), timeout=20)[1]


async def test_cancellation_ends_the_process() -> None:
    task = asyncio.create_task(run_module(*SLEEP))
    while not sleeping():
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not psutil.wait_procs(sleeping(), timeout=20)[1]
