"""Disposable cache files: recomputed when missing or stale."""

import hashlib
import json
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from core.common.codec import to_jsonable
from core.common.files import read_regular_file, write_text_atomically
from core.common.version import __version__

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")

_MAX_BYTES = 64 << 20
_WRITE_LOCK = threading.Lock()  # two threads would use the same temporary file name


class CacheFile(Generic[T]):
    """A JSON file with a value of type `kind`, ignored unless it is valid and current.

    Anyone with write access to the folder may have created it: it is parsed as plain data,
    validated field by field against `kind`, and never the only copy of a value. A file from
    another version of this program, with other fields in `kind` or another `form` (format number)
    is stale.
    """

    def __init__(self, path: Path, kind: type[T], form: int) -> None:
        self.path = path
        self._kind: Any = kind
        self._form = form

    def read(self) -> T | None:
        """Return the value; None if the file is missing, damaged or stale."""
        try:
            whole = json.loads(read_regular_file(self.path, _MAX_BYTES))
            if whole["made_by"] != _signature(self._kind, self._form):
                return None
            content: T = _adapter(self._kind).validate_python(whole["content"])
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None
        return content

    def write(self, content: T) -> None:
        """Replace the file; a failure is ignored."""
        whole = {"made_by": _signature(self._kind, self._form), "content": content}
        # A read-only folder, a full disk, too many levels: it is recomputed next time.
        with suppress(OSError, ValueError, RecursionError):
            text = json.dumps(to_jsonable(whole), allow_nan=False, separators=(",", ":"))
            if len(text) <= _MAX_BYTES:
                with _WRITE_LOCK:
                    write_text_atomically(self.path, text)


@cache
def _adapter(kind: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter  # slow to import, as in core.common.codec

    return TypeAdapter(kind)


@cache
def _signature(kind: Any, form: int) -> str:
    fields = json.dumps(_adapter(kind).json_schema(), sort_keys=True)
    return f"{__version__}, form {form}, {hashlib.sha256(fields.encode()).hexdigest()[:16]}"
