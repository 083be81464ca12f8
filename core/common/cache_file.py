"""Files that only save work: what they hold can be worked out anew, and is when they don't fit."""

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

_LARGEST = 64 << 20
_WRITING = threading.Lock()  # the temporary files of two threads would have one name


class CacheFile(Generic[T]):
    """A JSON file that is believed where it fits and ignored otherwise.

    Whoever may write into the folder may have made it: it is read as plain data, checked field
    by field against `kind`, and never the only place of anything. Other versions of this program
    don't believe it, nor does this one with other fields in `kind` or another `form`.
    """

    def __init__(self, path: Path, kind: type[T], form: int) -> None:
        self.path = path
        self._kind: Any = kind
        self._form = form

    def read(self) -> T | None:
        """Return what the file holds; None where it is missing, damaged or foreign."""
        try:
            whole = json.loads(read_regular_file(self.path, _LARGEST))
            if whole["made_by"] != _maker(self._kind, self._form):
                return None
            content: T = _adapter(self._kind).validate_python(whole["content"])
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None
        return content

    def write(self, content: T) -> None:
        """Put `content` in the place of the file; where that can't be done, nothing happens."""
        whole = {"made_by": _maker(self._kind, self._form), "content": content}
        # Not our folder, a full disk, nested too deep: the work is done again next time.
        with suppress(OSError, ValueError, RecursionError):
            text = json.dumps(to_jsonable(whole), allow_nan=False, separators=(",", ":"))
            if len(text) <= _LARGEST:
                with _WRITING:
                    write_text_atomically(self.path, text)


@cache
def _adapter(kind: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter  # as in core.codec: not before there is something to read

    return TypeAdapter(kind)


@cache
def _maker(kind: Any, form: int) -> str:
    fields = json.dumps(_adapter(kind).json_schema(), sort_keys=True)
    return f"{__version__}, form {form}, {hashlib.sha256(fields.encode()).hexdigest()[:16]}"
