"""Background thread for checkpoint writes, so that a slow disk delays no training step."""

import logging
import threading
from collections import deque
from collections.abc import Callable

WriteTask = Callable[[], None]


class WriterThread:
    """Runs write tasks one after the other in its own thread.

    A task that fails stays at the head of the queue and stops it; `error` holds the reason until
    `retry` is called. Of several waiting tasks with the same name, only the newest one runs.
    """

    def __init__(self) -> None:
        self._tasks: deque[tuple[str, WriteTask]] = deque()
        self._changed = threading.Condition()
        self._busy = False
        self._closing = False
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="checkpoint-writer", daemon=True)
        self._thread.start()

    def submit(self, name: str, task: WriteTask) -> None:
        """Queue a task; it replaces a waiting one with the same name."""
        with self._changed:
            first_waiting = 1 if self._busy or self.error else 0
            replaced = [
                place
                for place, (other, _) in enumerate(self._tasks)
                if other == name and place >= first_waiting
            ]
            if replaced:
                self._tasks[replaced[0]] = (name, task)
            else:
                self._tasks.append((name, task))
            self._changed.notify_all()

    def retry(self) -> None:
        """Run the failed task again."""
        with self._changed:
            self.error = None
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the queue is empty or a task has failed; returns whether it is empty."""
        with self._changed:
            self._changed.wait_for(lambda: not self._tasks or self.error, timeout)
            return not self._tasks

    def close(self) -> None:
        """End the thread once the queue is empty or a task has failed."""
        self.wait()
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closing or (bool(self._tasks) and self.error is None)
                )
                if self._closing:
                    return
                self._busy = True
                task = self._tasks[0][1]
            error = _run(task)
            with self._changed:
                self._busy = False
                self.error = error
                if error is None:
                    self._tasks.popleft()
                self._changed.notify_all()


def _run(task: WriteTask) -> Exception | None:
    try:
        task()
    except Exception as error:  # also MemoryError or a mistake: the engine waits for the result
        if not isinstance(error, OSError):
            logging.getLogger(__name__).exception("a checkpoint was not written")
        return error
    return None
