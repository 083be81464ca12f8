"""Shared by all benchmarks: options, medians and ratios, tables as text, and a JSON file."""

import argparse
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from core.common.cpu import usable_cores
from tests.make_images import make_images

REPOSITORY = Path(__file__).parents[2]
_PACKAGES = ("torch", "torchvision", "timm", "textual", "rich", "pillow", "fastai", "lightning")
NOTHING = "–"


@dataclass
class Table:
    """Results as they are printed: the first column is text, the others are numbers."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        """Add a row."""
        self.rows.append(cells)

    def __str__(self) -> str:
        lines = [list(self.columns), *map(list, self.rows)]
        widths = [max(len(line[place]) for line in lines) for place in range(len(self.columns))]
        lines.insert(1, ["-" * width for width in widths])
        text = [
            "  ".join(
                cell.ljust(width) if place == 0 else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        return "\n".join([self.title, *text])


@dataclass
class Report:
    """Results of a benchmark."""

    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    """Every single measurement, for the JSON file."""

    def __str__(self) -> str:
        return "\n\n".join([*map(str, self.tables), *self.notes])


Options = argparse.Namespace
Measure = Callable[[Options, Path], Report]


def options_parser(module_doc: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(
        description=module_doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="only check that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement there")
    return parser


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add options for images and start weights; the defaults are drawn and random."""
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="images in train/ and val/; default: drawn"
    )
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="start weights; default: random"
    )


def add_recipe_options(parser: argparse.ArgumentParser) -> None:
    """Add options for the training that is compared."""
    parser.add_argument(
        "--limit", type=int, default=100, help="maximum images per class and split, 0 = all"
    )
    parser.add_argument("--model", default="convnext_atto", help="a timm model")
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="only for this program"
    )


def main(parser: argparse.ArgumentParser, measure: Measure) -> int:
    """Measure in a temporary folder, print, write the JSON file; returns the exit code."""
    options = parser.parse_args()
    name = Path(sys.argv[0]).stem if sys.argv else ""
    name = Path(sys.argv[0]).parent.name if name == "__main__" else name
    about = {"benchmark": name, "date": time.strftime("%Y-%m-%d %H:%M"), "machine": machine()}
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="convnext-tui-benchmark-") as work:
        report = measure(options, Path(work))
    load = {"before": before, "after": os.getloadavg()[0]}
    print(report, flush=True)
    if options.json:
        given = {key: str(value) for key, value in vars(options).items()}
        content = {**about, "load": load, "versions": versions(), "options": given}
        content |= {"tables": [asdict(table) for table in report.tables]}
        content |= {"notes": report.notes, "values": report.values}
        options.json.write_text(json.dumps(_strict(content), indent=1, default=str) + "\n")
    return 0


def _strict(value: Any) -> Any:
    """Return a value for JSON, with null for a non-finite number."""
    if isinstance(value, dict):
        return {str(key): _strict(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def say(text: str) -> None:
    """Print progress to stderr."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


def median(values: Iterable[float]) -> float:
    """Return the median; NaN without values."""
    found = list(values)
    return statistics.median(found) if found else float("nan")


def mean(values: Iterable[float]) -> float:
    """Return the mean; NaN without values."""
    found = list(values)
    return statistics.fmean(found) if found else float("nan")


def spread(values: Iterable[float], digits: int = 2) -> str:
    """Return the median with the lowest and highest value."""
    found = list(values)
    if not found:
        return NOTHING
    low, high = min(found), max(found)
    return f"{median(found):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def ratios(of: Sequence[float], to: Sequence[float]) -> list[float]:
    """Return the ratio of each pair of values, which were measured in the same round."""
    return [a / b for a, b in zip(of, to, strict=True)]


def in_turn(names: Sequence[str], round_number: int) -> list[str]:
    """Return the names in an order that differs between consecutive rounds.

    A machine that grows slower while it is measured then favours nobody.
    """
    shift = round_number % len(names)
    turned = [*names[shift:], *names[:shift]]
    return turned[::-1] if round_number % 2 else turned


def machine() -> dict[str, Any]:
    """Return processor, usable cores, memory in bytes, GPUs and system."""
    return {
        "processor": _processor(),
        "cores": usable_cores(),
        "memory": psutil.virtual_memory().total,
        "gpus": _gpus(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def machine_line() -> str:
    """Return a one-line description of the machine."""
    about = machine()
    memory = f"{about['memory'] / 2**30:.0f} GiB"
    parts = [f"{about['cores']} cores of {about['processor']}", memory, *about["gpus"]]
    return ", ".join([*parts, about["system"], f"Python {about['python']}"])


def versions() -> dict[str, str]:
    """Return the versions of the measured packages, and the commit of this program."""
    found = {"convnext-tui": _commit()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def image_folder(
    data: Path | None, work: Path, limit: int = 0, classes: int = 20, size: int = 64
) -> Path:
    """Return a folder with train/ and val/, at most `limit` images per class and split (0 = all).

    They are the first of `data` by name, or drawn ones of `size` pixels (100 without a limit).
    """
    root = work / "images"
    if data is None:
        count = limit or 100
        make_images(root / "train", classes, count, size, seed=1)
        make_images(root / "val", classes, max(1, count // 2), size, seed=2)
        return root
    if not limit:
        return data.resolve()
    for split in ("train", "val"):
        for folder in sorted(path for path in (data / split).iterdir() if path.is_dir()):
            (root / split / folder.name).mkdir(parents=True)
            for image in sorted(folder.iterdir())[:limit]:
                shutil.copyfile(image, root / split / folder.name / image.name)
    return root


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _gpus() -> list[str]:
    try:
        import pynvml

        pynvml.nvmlInit()
        handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        return [str(pynvml.nvmlDeviceGetName(handle)) for handle in handles]
    except Exception:  # no driver, no library: no GPU
        return []


def _commit() -> str:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(REPOSITORY), *arguments]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except OSError:
        return "?"
