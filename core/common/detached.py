"""Functions in threads that the end of the process does not wait for."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def run_detached(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
    """Run a function in a daemon thread; return a future of the running event loop.

    For calls that may never return, such as reading a folder of a network file system whose server
    is down: a thread of `asyncio.to_thread` would keep the process from exiting, and a few of them
    would block all others.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def deliver(error: Exception | None, result: T | None) -> None:
        if future.done():  # canceled meanwhile
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        error, result = None, None
        try:
            result = function(*args, **kwargs)
        except Exception as raised:
            error = raised
        with suppress(RuntimeError):  # the event loop has ended
            loop.call_soon_threadsafe(deliver, error, result)

    threading.Thread(target=work, name=f"detached-{function.__name__}", daemon=True).start()
    return future
