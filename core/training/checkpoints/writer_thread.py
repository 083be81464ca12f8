"""Writing in the background: a slow disk holds up neither the training nor another's turn."""

import threading
from collections import deque
from collections.abc import Callable

Job = Callable[[], None]


class WriterThread:
    """Runs jobs one after the other in a thread of its own.

    A job that fails with OSError stays first in line and stops the line; `error` says why until
    `retry` is called. Of several waiting jobs under the same name only the newest is done.
    """

    def __init__(self) -> None:
        self._jobs: deque[tuple[str, Job]] = deque()
        self._changed = threading.Condition()
        self._busy = False
        self._closing = False
        self.error: OSError | None = None
        self._thread = threading.Thread(target=self._work, name="saver", daemon=True)
        self._thread.start()

    def submit(self, name: str, job: Job) -> None:
        """Put a job in line; takes the place of one of the same name that has not begun."""
        with self._changed:
            waiting = [place for place, (other, _) in enumerate(self._jobs) if other == name]
            first_waiting = 1 if self._busy or self.error else 0
            places = [place for place in waiting if place >= first_waiting]
            if places:
                self._jobs[places[0]] = (name, job)
            else:
                self._jobs.append((name, job))
            self._changed.notify_all()

    def retry(self) -> None:
        """Try the job that failed once more."""
        with self._changed:
            self.error = None
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is in line or a job has failed; returns whether all is written."""
        with self._changed:
            self._changed.wait_for(lambda: not self._jobs or self.error, timeout)
            return not self._jobs

    def close(self) -> None:
        """End the thread once the line is empty or stuck."""
        self.wait()
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closing or (bool(self._jobs) and self.error is None)
                )
                if self._closing:
                    return
                self._busy = True
                job = self._jobs[0][1]
            error = _outcome(job)
            with self._changed:
                self._busy = False
                self.error = error
                if error is None:
                    self._jobs.popleft()
                self._changed.notify_all()


def _outcome(job: Job) -> OSError | None:
    try:
        job()
    except OSError as error:
        return error
    return None
