"""Fork processes that have torch, timm and this program imported already.

A process that trains imports for 5 to 10 seconds and computes for one. This server imports once
and forks for each request, so that tests of the command line cost only what they test. A forked
process differs from a new one in what is imported; tests of imports and of the start itself use
`subprocess`.

It stays single-threaded and computes nothing: libraries that have started threads don't survive
a fork. It ends, with all its children, when its standard input is closed.
"""

import atexit
import fcntl
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import sys
import termios
import time
import types
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.tools.error_sites import record_errors

_LIBRARIES = (
    "pandas",
    "timm",
    "torch.distributed.elastic.multiprocessing",
    "torch.distributed.launcher.api",
    "torch.utils.serialization.config",
    "torchvision",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "pydantic.type_adapter",
)
"""What the program imports when it needs it."""
LIMIT = 150.0
"""Seconds after which a forked process is killed: a test fails then, and does not wait forever."""
_PASSED = 200
"""Passed descriptors are moved above this number before they get their own."""


@dataclass(frozen=True, slots=True)
class Request:
    """A process to fork; see `fork_client.request`."""

    arguments: list[str]
    cwd: str
    env: dict[str, str]
    descriptors: list[int]
    terminal: bool = False
    """Whether the terminal on standard input becomes the controlling one."""
    code: str = ""
    """Python code that runs first."""
    ignored_signals: list[int] = field(default_factory=list)
    parent: int = 0
    """The forked process that has started this one, if one has."""


@dataclass(slots=True)
class Child:
    pid: int
    connection: socket.socket
    deadline: float


class Server:
    """Forks children by request, and tells their exit codes."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._children: dict[int, Child] = {}
        self._parents: dict[int, int] = {}
        """Which forked process has started which, until the client closes the connection."""
        self._selector = selectors.DefaultSelector()
        self._wake, woken = socket.socketpair()
        woken.setblocking(False)
        self._woken = woken
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        for source in (listener, self._wake, sys.stdin):
            self._selector.register(source, selectors.EVENT_READ)

    def serve(self) -> tuple[Request, list[int]]:
        """Serve until the end; returns only in forked processes, with what to run there."""
        while True:
            for key, _ in self._selector.select(timeout=1.0 if self._children else None):
                if key.fileobj is self._listener:
                    if received := self._accept():
                        return received
                elif key.fileobj is self._wake:
                    self._wake.recv(4096)
                elif key.fileobj is sys.stdin:
                    for pid in self._children:
                        self._kill(pid)
                    sys.exit()
                else:  # the client has closed its connection
                    self._selector.unregister(key.fileobj)
                    key.fileobj.close()
                    self._kill_tree(key.data)
            self._reap()
            now = time.monotonic()
            for child in self._children.values():
                if now > child.deadline:
                    self._kill(child.pid)

    def _accept(self) -> tuple[Request, list[int]] | None:
        connection, _ = self._listener.accept()
        message, passed, _, _ = socket.recv_fds(connection, 1 << 16, 253)
        while not message.endswith(b"\n"):
            if not (more := connection.recv(1 << 20)):
                return None
            message += more
        request = Request(**json.loads(message))
        pid = os.fork()
        if pid == 0:
            connection.close()
            self._close()
            return request, passed
        for number in passed:
            os.close(number)
        self._children[pid] = Child(pid, connection, time.monotonic() + LIMIT)
        self._parents[pid] = request.parent
        self._selector.register(connection, selectors.EVENT_READ, pid)
        _tell(connection, pid)
        return None

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            child = self._children.pop(pid)
            _tell(child.connection, os.waitstatus_to_exitcode(status))

    def _kill_tree(self, pid: int) -> None:
        self._kill(pid)
        self._parents.pop(pid, None)
        for other in [child for child, parent in self._parents.items() if parent == pid]:
            self._kill_tree(other)

    def _kill(self, pid: int) -> None:
        if pid in self._children:
            for kill in (os.killpg, os.kill):  # it may not have a group yet
                with suppress(ProcessLookupError, PermissionError):
                    kill(pid, signal.SIGKILL)

    def _close(self) -> None:
        """Close in a forked process what belongs to the server."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for key in list(self._selector.get_map().values()):
            if key.fileobj is not sys.stdin:
                key.fileobj.close()
        self._selector.close()
        self._woken.close()


def _tell(connection: socket.socket, number: int) -> None:
    with suppress(OSError):  # the client has gone
        connection.sendall(b"%d\n" % number)


def become(request: Request, passed: list[int], interpreter: str) -> None:
    """Turn a forked process into the one that was asked for."""
    os.setsid()
    high = [fcntl.fcntl(number, fcntl.F_DUPFD, _PASSED) for number in passed]
    for number in passed:
        os.close(number)
    for number, target in zip(high, request.descriptors, strict=True):
        os.dup2(number, target)
        os.close(number)
    if request.terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        is_ignored = number in request.ignored_signals
        signal.signal(number, signal.SIG_IGN if is_ignored else signal.SIG_DFL)
    if signal.SIGINT not in request.ignored_signals:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(request.env)
    time.tzset()
    _open_streams(unbuffered="-u" in request.arguments or "PYTHONUNBUFFERED" in request.env)
    # Its own Python processes are forked, too.
    sys.executable = interpreter
    import multiprocessing.spawn

    import torch

    multiprocessing.spawn.set_executable(interpreter)
    torch.set_num_threads(int(request.env.get("OMP_NUM_THREADS", "1")))


def _open_streams(unbuffered: bool) -> None:
    """Open standard input and output as the interpreter does at its start."""
    for name, number, mode, errors in (
        ("stdin", 0, "r", "strict"),
        ("stdout", 1, "w", "strict"),
        ("stderr", 2, "w", "backslashreplace"),
    ):
        stream = os.fdopen(number, mode, encoding="utf-8", errors=errors, closefd=False)
        assert isinstance(stream, io.TextIOWrapper)
        if name == "stderr" or os.isatty(number):
            stream.reconfigure(line_buffering=True)
        if mode == "w" and unbuffered:
            stream.reconfigure(write_through=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def execute(arguments: list[str]) -> None:
    """Do what `python *arguments` does: a module, code, a script, or one from standard input."""
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] not in ("-m", "-c"):
        if rest.pop(0) in ("-W", "-X"):
            rest.pop(0)
    kind = rest.pop(0) if rest else ""
    if not kind:
        sys.argv = [""]
        _run_code(sys.stdin.read(), "<stdin>")
    elif kind == "-m":
        sys.argv = list(rest)
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        code = rest.pop(0)
        sys.argv = ["-c", *rest]
        _run_code(code, "<string>")
    else:
        sys.argv = [kind, *rest]
        sys.path.insert(0, str(Path(kind).parent.absolute()))
        runpy.run_path(kind, run_name="__main__")


def _run_code(code: str, name: str) -> None:
    module = types.ModuleType("__main__")
    if name == "<stdin>":
        module.__file__ = name
    sys.modules["__main__"] = module
    exec(compile(code, name, "exec"), vars(module))


def _preload() -> None:
    for name in ("core", "tui"):
        for module in pkgutil.walk_packages([name], f"{name}."):
            if not module.name.endswith("__main__"):
                with suppress(ImportError):  # tests that need it fail by themselves
                    importlib.import_module(module.name)
    for name in _LIBRARIES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a collection in a child would copy all pages


def main() -> None:
    listener = socket.socket(fileno=int(sys.argv[1]))
    interpreter = sys.argv[2]
    end = _QuickEnd()  # registered before what any library registers, so called after it
    _preload()
    received: Any = Server(listener).serve()
    become(*received, interpreter)
    record_errors()
    request = received[0]
    if request.code:
        exec(compile(request.code, "<code>", "exec"), {"__name__": "first"})
    try:
        execute(request.arguments)
    except SystemExit as error:
        end.code = error.code if isinstance(error.code, int) else int(error.code is not None)
        raise
    end.code = 0


class _QuickEnd:
    """Ends the process after all other exit functions, when its standard streams are flushed.

    To take apart thousands of modules takes ten times as long as a command that imports no torch.
    """

    def __init__(self) -> None:
        self.code: int | None = None
        atexit.register(self._end)

    def _end(self) -> None:
        if self.code is None:  # an exception: the interpreter knows the exit code
            return
        with suppress(OSError, ValueError):  # the interpreter says so
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.code)


if __name__ == "__main__":
    main()
