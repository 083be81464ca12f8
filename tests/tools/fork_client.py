"""Client of the fork server, and the stand-in for the Python interpreter in forked processes.

Imports only what starts quickly: forked processes start their own Python processes through it.
"""

import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Any

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def request(
    address: str,
    arguments: Sequence[str],
    *,
    cwd: str,
    env: Mapping[str, str],
    descriptors: Mapping[int, int],
    **options: Any,
) -> tuple[socket.socket, int]:
    """Fork a process that runs `python *arguments`; returns the connection to it and its pid.

    `descriptors` maps the child's file descriptors to those of this process. `options` are the
    optional fields of `fork_server.Request`. `exit_code` reads the exit code from the connection.
    When the connection is closed, the child is killed, and so is what it has started.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(address)
    message = {
        "arguments": list(arguments),
        "cwd": cwd,
        "env": dict(env),
        "descriptors": list(descriptors),
        **options,
    }
    content = json.dumps(message).encode() + b"\n"
    sent = socket.send_fds(connection, [content], list(descriptors.values()))
    connection.sendall(content[sent:])
    return connection, int(_line(connection))


def exit_code(connection: socket.socket) -> int:
    """Wait for the exit code of a forked process: negative for a signal, as in `subprocess`.

    Raises BlockingIOError and TimeoutError by the connection's timeout.
    """
    return int(_line(connection))


def _line(connection: socket.socket) -> bytes:
    # Lines are a few bytes, sent in one piece.
    line = connection.recv(32)
    if not line.endswith(b"\n"):
        raise ConnectionError("the fork server has ended")
    return line


def main(address: str, arguments: Sequence[str]) -> None:
    """Run `python *arguments` in a forked process, as if it were this one.

    File descriptors, environment, working directory and ignored signals are passed on, signals
    are forwarded, and the exit code is the same. If this process is killed, so is the forked one.
    """
    ignored = [int(s) for s in FORWARDED if signal.getsignal(s) == signal.SIG_IGN]
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    open_ones = [int(name) for name in os.listdir("/dev/fd")]  # noqa: PTH208 (starts faster)
    descriptors = {number: number for number in open_ones if _is_open(number)}
    connection, pid = request(
        address,
        arguments,
        cwd=os.getcwd(),  # noqa: PTH109
        env=os.environ,
        descriptors=descriptors,
        ignored_signals=ignored,
        parent=os.getppid(),
    )
    for number in descriptors:
        if number > 2:
            os.close(number)

    def forward(number: int, frame: object) -> None:
        os.kill(pid, number)

    for number in FORWARDED:
        if number not in ignored:
            signal.signal(number, forward)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
    code = exit_code(connection)
    if code < 0:
        with contextlib.suppress(OSError):  # SIGKILL has no handler
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.stdout.flush()
    os._exit(code)


def _is_open(number: int) -> bool:
    try:
        return os.get_inheritable(number)
    except OSError:
        return False  # the descriptor that listed the others
