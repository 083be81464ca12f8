"""A process that only looks: nothing on the disk can be changed from it, whatever is asked."""

import errno
import os
import sys
from pathlib import Path
from typing import Any

REASON = "this is a view only: nothing can be started, changed or written from here"
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
_DEVICES = ("/dev/null", "/dev/tty")


def forbid_writing(but: Path | None = None) -> None:
    """From now on, and for good, let no Python code of this process open a file for writing,
    change a folder or start a process; it gets an OSError. The file `but` is free.

    An audit hook can't be taken away again, so that no screen, old or new, can get round it.
    """
    sys.dont_write_bytecode = True
    free = {*_DEVICES, str(but)} if but else set(_DEVICES)

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            # A number is a file that was opened before, and stays as it was opened.
            writes = bool(flags & _WRITE_FLAGS) and not isinstance(path, int)
        elif event in _CHANGES:
            path, writes = arguments[0], True
        else:
            path, writes = "", event in _PROCESSES
        if writes and not (isinstance(path, str | Path) and str(path) in free):
            raise PermissionError(errno.EROFS, REASON)

    sys.addaudithook(look)


def refuse_to_start(*_: object, **__: object) -> Any:
    """Stand in for what starts runs."""
    raise PermissionError(REASON)
