"""Make a process read-only: Python's own ways to change files and to start processes are refused.

The guard is an audit hook, which sees what CPython reports: `open`, the functions of `os` and
`shutil`, sqlite3, Unix sockets and `subprocess`. It does not see native code that opens files
itself (extension modules, ctypes), `os.mkfifo`, `os.mknod` and processes of `multiprocessing`; the
app writes with none of them. It protects runs from mistakes of this program, not from other
programs of the account: that is what file permissions are for.
"""

import errno
import os
import sys
from pathlib import Path
from typing import Any

REASON = "read-only: nothing can be started, changed or written from here"
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {
    *("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate"),
    *("os.chmod", "os.chown", "os.utime", "os.setxattr", "os.removexattr", "os.lchmod"),
    *("os.mkfifo", "os.mknod", "os.chflags", "shutil.rmtree", "shutil.move"),
}
_PROCESSES = {
    *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork"),
    *("os.forkpty", "pty.spawn"),
}
_DATABASES = "sqlite3.connect"
"""Refused without exception: any connection can attach, and so create, other files."""
_DEVICES = ("/dev/null", "/dev/tty")


def forbid_writing(allowed: Path | None = None) -> None:
    """Raise PermissionError for every later attempt of this process to write.

    Writing is opening a file for writing, changing a folder, opening a database or starting a
    process. The file `allowed` is exempt. An audit hook can't be removed, so no screen can bypass
    it.
    """
    sys.dont_write_bytecode = True
    exempt = {*_DEVICES, str(allowed)} if allowed else set(_DEVICES)

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            # A number is a file descriptor that was opened before, with its own mode.
            writes = bool(flags & _WRITE_FLAGS) and not isinstance(path, int)
        elif event in _CHANGES:
            path, writes = arguments[0], True
        elif event == "socket.bind":  # a Unix socket is a file
            path, writes = "", isinstance(arguments[1], str | bytes)
        else:
            path, writes = "", event in _PROCESSES or event == _DATABASES
        if writes and not (isinstance(path, str | Path) and str(path) in exempt):
            raise PermissionError(errno.EROFS, REASON)

    sys.addaudithook(refuse)


def refuse_to_start(*_: object, **__: object) -> Any:
    """Refuse to start a run; takes the place of `Session.start_run`."""
    raise PermissionError(REASON)
