"""The format and path of an export, checked before torch is imported."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from core.common.errors import SetupError
from core.common.text import printable
from core.inference.export.formats import EXPORT_FORMATS, ExportFormat


class ExportError(SetupError):
    """An export that can't be written or failed verification."""


@dataclass(frozen=True, slots=True)
class ExportTarget:
    """What to export, and where to."""

    format_name: str
    """One of EXPORT_FORMATS."""
    path: Path
    """File or folder to write."""
    with_normalize: bool = False
    """Include normalization, so that the model takes uint8 images instead of normalized float32."""
    overwrite: bool = False

    @property
    def format(self) -> ExportFormat:
        """Entry of the table of formats; raises ExportError for an unknown name."""
        if self.format_name not in EXPORT_FORMATS:
            raise ExportError(
                f"unknown export format {printable(self.format_name)}; "
                f"available: {', '.join(EXPORT_FORMATS)}"
            )
        return EXPORT_FORMATS[self.format_name]

    def check(self) -> None:
        """Raise ExportError if the export can't be written to the path or in this form."""
        self._check_format()
        self._check_path()

    def _check_format(self) -> None:
        entry = self.format
        if self.with_normalize and not entry.takes_normalize:
            able = [name for name, other in EXPORT_FORMATS.items() if other.takes_normalize]
            raise ExportError(
                f"--with-normalize is available for {' and '.join(able)}: {self.format_name} "
                "contains weights only"
            )
        for library in entry.libraries:
            if importlib.util.find_spec(library) is None:
                raise ExportError(
                    f"export to {self.format_name} needs {library}: "
                    f"pip install 'convnext-tui[{entry.extra}]'"
                )

    def _check_path(self) -> None:
        path, entry = self.path, self.format
        shown = printable(str(path))
        if not path.name:
            raise ExportError(f"{shown} has no file name; give --out a path that can be created")
        if entry.suffix and path.suffix != entry.suffix:
            raise ExportError(f"{shown}: the name must end in {entry.suffix}")
        if not path.parent.is_dir():
            raise ExportError(f"{printable(str(path.parent))}: no such folder; create it first")
        if not path.exists():
            return
        if not self.overwrite:
            raise ExportError(f"{shown} already exists; give another --out, or --overwrite")
        if path.is_dir() and not (path / "config.json").is_file() and any(path.iterdir()):
            # Not an earlier export: never delete it.
            raise ExportError(f"{shown} is a folder with other content; give another --out")
