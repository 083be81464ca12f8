"""Start Python processes through a fork server, with the interface of `subprocess`."""

import atexit
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from tests.tools import fork_client

REPOSITORY = Path(__file__).parents[2]
TIMEOUT = 120.0
"""Seconds that a process may take to end."""
_INTERPRETER = """#!{python} -IS
import sys
sys.path.insert(0, {repository!r})
from tests.tools.fork_client import main
main({address!r}, sys.argv[1:])
"""


@dataclass(frozen=True, slots=True)
class ForkServer:
    address: str
    """The path of its socket."""
    interpreter: str
    """What starts like Python and forks."""
    process: "subprocess.Popen[bytes]"


@functools.cache
def fork_server() -> ForkServer:
    """Start this process's fork server. The first request waits until it has imported all."""
    folder = Path(tempfile.mkdtemp(prefix="fork-server-"))
    address = str(folder / "socket")
    interpreter = folder / "python"
    interpreter.write_text(
        _INTERPRETER.format(python=sys.executable, repository=str(REPOSITORY), address=address)
    )
    interpreter.chmod(0o755)
    (folder / "hub").mkdir()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(address)
    listener.listen(64)
    changes = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub")}
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.tools.fork_server", str(listener.fileno()), str(interpreter)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **changes},
        stdin=subprocess.PIPE,
        pass_fds=[listener.fileno()],
        start_new_session=True,
    )
    listener.close()

    def end() -> None:
        assert server.stdin is not None
        server.stdin.close()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return ForkServer(address, str(interpreter), server)


def forked_processes() -> list[psutil.Process]:
    """Return all processes of the fork server, and what they have started."""
    return psutil.Process(fork_server().process.pid).children(recursive=True)


class Process:
    """A forked Python process, in a session of its own; used like `subprocess.Popen`.

    Standard output is a pipe of text, unless a descriptor is given; standard error goes into a
    file, which `communicate` reads. With `terminal`, the descriptor on standard input becomes the
    controlling terminal. `code` runs before the program. `close` ends what still runs, with what
    it has started.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        terminal: bool = False,
        code: str = "",
    ) -> None:
        self.args = list(arguments)
        self.returncode: int | None = None
        self.stdout: IO[str] | None = None
        self._errors: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        null = os.open(os.devnull, os.O_RDWR)
        to_close = [null]
        if stdout is None:
            read_end, stdout = os.pipe()
            to_close.append(stdout)
            self.stdout = os.fdopen(read_end, encoding="utf-8")
        descriptors = {
            0: null if stdin is None else stdin,
            1: stdout,
            2: self._errors.fileno() if stderr is None else stderr,
        }
        try:
            self._connection, self.pid = fork_client.request(
                fork_server().address,
                arguments,
                cwd=str(cwd),
                env=env,
                descriptors=descriptors,
                terminal=terminal,
                code=code,
            )
        finally:
            for number in to_close:
                os.close(number)

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs."""
        if self.returncode is None:
            self._connection.settimeout(0)
            try:
                self.returncode = fork_client.exit_code(self._connection)
            except BlockingIOError:
                return None
        return self.returncode

    def wait(self, timeout: float = TIMEOUT) -> int:
        """Return the exit code; raises TimeoutExpired."""
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                self.returncode = fork_client.exit_code(self._connection)
            except TimeoutError:
                raise subprocess.TimeoutExpired(self.args, timeout) from None
        return self.returncode

    def communicate(self) -> tuple[str, str]:
        """Wait for the end; returns the rest of standard output, and standard error."""
        rest = self.stdout.read() if self.stdout and not self.stdout.closed else ""
        self.wait()
        self._errors.seek(0)
        return rest, self._errors.read()

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        if kind is not None:
            self.kill()
        try:
            self.wait()
        finally:
            self.close()

    def close(self) -> None:
        """Close all that belongs to the process, and end it if it still runs."""
        if self.stdout is not None:
            self.stdout.close()
        self._errors.close()
        self._connection.close()


def run(
    arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], input: bytes = b""
) -> "subprocess.CompletedProcess[str]":
    """Run `python *arguments` in a forked process to its end; as `subprocess.run`."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile("w+", encoding="utf-8") as out:
        given.write(input)
        given.flush()
        given.seek(0)
        process = Process(arguments, cwd=cwd, env=env, stdin=given.fileno(), stdout=out.fileno())
        with process:
            code = process.wait()
            _, errors = process.communicate()
        out.seek(0)
        return subprocess.CompletedProcess(process.args, code, out.read(), errors)
