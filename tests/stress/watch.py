"""Watch a run's process from outside, woken by the kernel instead of by a timer. Linux only."""

import ctypes
import fcntl
import os
import pty
import select
import subprocess
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from core.events.journal import JournalReader
from core.events.record import Record
from core.events.types import Event
from core.run.folder import RunFolder
from tests.stress.gate import Gate

PATIENCE = 600.0
"""Timeout in seconds."""
_ENDING_SECONDS = 20.0
_CLOSE_ON_EXEC, _NON_BLOCKING = os.O_CLOEXEC, os.O_NONBLOCK
_MODIFIED, _CREATED = 0x2, 0x100


class Inotify:
    """Inotify descriptor, readable once a file in a watched folder was created or written."""

    def __init__(self) -> None:
        self._lib = ctypes.CDLL(None, use_errno=True)
        self._file = self._checked(self._lib.inotify_init1(_CLOSE_ON_EXEC | _NON_BLOCKING))

    def watch(self, folder: Path) -> None:
        """Watch one more folder."""
        kinds = _MODIFIED | _CREATED
        self._checked(self._lib.inotify_add_watch(self._file, os.fsencode(folder), kinds))

    def fileno(self) -> int:
        """For `select`."""
        return self._file

    def clear(self) -> None:
        """Discard all pending notifications."""
        try:
            while os.read(self._file, 65536):
                continue
        except BlockingIOError:
            return

    def close(self) -> None:
        """Stop watching."""
        os.close(self._file)

    def _checked(self, result: int) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result


class Journal:
    """Follows the only run of a directory, which may not exist yet."""

    def __init__(self, runs_dir: Path) -> None:
        runs_dir.mkdir(parents=True, exist_ok=True)
        self._runs_dir = runs_dir
        self._inotify = Inotify()
        self._inotify.watch(runs_dir)
        self._reader: JournalReader | None = None
        self.folder: RunFolder | None = None
        self.read()

    def fileno(self) -> int:
        """Return a descriptor that is readable if there may be new records."""
        return self._inotify.fileno()

    def read(self) -> list[Record]:
        """Return the new records."""
        self._inotify.clear()
        if self._reader is None:
            for path in self._runs_dir.iterdir():
                self._inotify.watch(path)
                self.folder = RunFolder(path)
                self._reader = JournalReader(self.folder.journal)
        return list(self._reader.read()) if self._reader else []

    def close(self) -> None:
        """Stop following."""
        self._inotify.close()


class Terminal:
    """A pseudoterminal for a process, which can be hung up."""

    def __init__(self, columns: int = 120) -> None:
        self.parent, self.child = pty.openpty()
        termios.tcsetwinsize(self.child, (40, columns))
        self.before = termios.tcgetattr(self.child)
        self.output = b""
        self.open = True

    def start(self, arguments: list[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
        """Start a process with this as its controlling terminal, like a shell does."""
        return subprocess.Popen(
            arguments,
            env={**environment, "TERM": "xterm-256color"},
            stdin=self.child,
            stdout=self.child,
            stderr=self.child,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(self.child, termios.TIOCSCTTY, 0),
        )

    def read_output(self) -> None:
        """Read pending output."""
        self.output += os.read(self.parent, 65536)

    def type(self, keys: bytes) -> None:
        """Send keys."""
        os.write(self.parent, keys)

    def hang_up(self) -> None:
        """Close both ends of the terminal."""
        self.open = False
        os.close(self.child)
        os.close(self.parent)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended."""

    exit_code: int
    cpu_seconds: float
    """Of the process and all child processes that it has waited for."""


class Run:
    """A training process with its journal, and its terminal if it has one."""

    def __init__(
        self, process: "subprocess.Popen[Any]", journal: Journal, terminal: Terminal | None = None
    ) -> None:
        """`journal` must be created before the process is started."""
        self.process = process
        self.terminal = terminal
        self.journal = journal
        self._unread: list[Record] = []
        self._ended = os.pidfd_open(process.pid)

    @property
    def folder(self) -> RunFolder:
        """The run folder, once it exists."""
        assert self.journal.folder is not None
        return self.journal.folder

    def wait_for(self, matches: Callable[[Event], bool], seconds: float = PATIENCE) -> Record:
        """Return the next matching record; raises RuntimeError if the process ends before."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            while self._unread:
                record = self._unread.pop(0)
                if matches(record.event):
                    return record
            over = self._ended in self._wait(seconds=seconds)
            self._unread += self.journal.read()
            if over and not self._unread:
                raise RuntimeError(f"the process ended with {self.wait().exit_code}")
        raise TimeoutError(f"no matching event in {seconds:g} s")

    def ends_within(self, seconds: float) -> bool:
        """Wait for the end of the process, `seconds` at most; returns whether it has ended."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            with suppress(TimeoutError):
                if self._ended in self._wait(seconds=left):
                    return True
            self._unread += self.journal.read()
        return False

    def wait_at(self, gate: Gate) -> None:
        """Wait until the process is blocked at a gate; raises RuntimeError if it ends before."""
        while True:
            ready = self._wait(gate)
            if gate in ready:
                return gate.hold()
            if self._ended in ready:
                raise RuntimeError(f"the process ended with {self.wait().exit_code}")
            self._unread += self.journal.read()

    def see(self, text: bytes) -> None:
        """Wait until the terminal shows a text; raises RuntimeError if the process ends before."""
        assert self.terminal is not None
        deadline = time.monotonic() + PATIENCE
        while text not in self.terminal.output:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{text!r} was not shown in {PATIENCE:g} s")
            if self._ended in self._wait() and text not in self.terminal.output:
                raise RuntimeError(f"the process ended with {self.wait().exit_code}")

    def wait(self) -> Ended:
        """Wait for the end of the process."""
        while self._ended not in self._wait():
            self._unread += self.journal.read()
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return Ended(self.process.returncode, usage.ru_utime + usage.ru_stime)

    def cpu_seconds(self) -> float:
        """CPU time so far of the process and its descendants."""
        main = psutil.Process(self.process.pid)
        of_all = [main.cpu_times(), *(p.cpu_times() for p in main.children(recursive=True))]
        reaped = of_all[0].children_user + of_all[0].children_system
        return sum(times.user + times.system for times in of_all) + reaped

    def main_thread_seconds(self) -> float:
        """CPU time so far of the main thread only."""
        main = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/schedstat")
        return int(main.read_text().split()[0]) / 1e9

    def helpers(self) -> list[psutil.Process]:
        """Return the other processes of the run: data loader workers and their helpers."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def kill(self) -> None:
        """End the process with -9."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """Release all resources; kills a process that is still alive."""
        if self.process.returncode is None:
            self.kill()
        if self.terminal is not None and self.terminal.open:
            self.terminal.hang_up()
        os.close(self._ended)
        self.journal.close()

    def __enter__(self) -> "Run":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _wait(self, *more: Any, seconds: float = PATIENCE) -> list[Any]:
        """Return the sources that are ready, including the end of the process."""
        terminal = self.terminal if self.terminal is not None and self.terminal.open else None
        sources = [self.journal, self._ended, *more, *([terminal.parent] if terminal else [])]
        ready, _, _ = select.select(sources, [], [], seconds)
        if not ready:
            raise TimeoutError(f"nothing happened in {seconds:g} s ({time.ctime()})")
        if terminal is not None and terminal.parent in ready:
            terminal.read_output()
        return ready


def still_alive(processes: list[psutil.Process]) -> list[str]:
    """Return the processes that haven't exited after a while."""
    alive = psutil.wait_procs(processes, timeout=_ENDING_SECONDS)[1]
    return [f"process {process.pid} is still alive" for process in alive]


def start(
    arguments: list[str], runs_dir: Path, environment: dict[str, str], in_session: bool = False
) -> Run:
    """Start a run without a terminal; its output goes to the files `.out` and `.err` next to
    `runs_dir`.

    It gets its own session, or with `in_session` only its own process group: the kernel ignores
    SIGTSTP in a group whose parent is in another session.
    """
    journal = Journal(runs_dir)
    with (
        runs_dir.with_suffix(".out").open("ab") as output,
        runs_dir.with_suffix(".err").open("ab") as errors,
    ):
        process = subprocess.Popen(
            arguments,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=not in_session,
            process_group=0 if in_session else None,
        )
    return Run(process, journal)


def start_on_terminal(
    arguments: list[str], runs_dir: Path, environment: dict[str, str], columns: int = 120
) -> Run:
    """Start a run on its own terminal."""
    journal, terminal = Journal(runs_dir), Terminal(columns)
    return Run(terminal.start(arguments, environment), journal, terminal)
