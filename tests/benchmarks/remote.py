"""Cost of remote images: the scan, the first pass over them, and later ones.

    python -m tests.benchmarks.remote [--data DIR] [--quick] [--json FILE]

The same training images as a folder, in archives through fsspec, and from a web server on this
machine, which responds at once or, like a distant one, after 20 ms; for comparison as shards of the
same files read with `webdataset`, if installed. All with one loader process and the transform of
the preset `default`, without a network.
"""

import argparse
import functools
import importlib.util
import os
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch

from core.common.user_dirs import CACHE_VARIABLE
from core.config.load import load_config
from core.data.assign import SplitOptions
from core.data.loading.loader import Loader, make_datasets
from core.data.loading.transforms import make_transforms
from core.data.sources import parse_location
from core.data.split import plan_data
from tests.benchmarks.common import NOTHING, Options, Report, Table, main, options_parser, say
from tests.benchmarks.photos import draw_photos

_FAR_SECONDS = 0.02
_TRANSFORM = {
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
    "interpolation": "bicubic",
    "crop_pct": 0.875,
    "crop_mode": "center",
}


def measure(options: Options, work: Path) -> Report:
    """Read the images from each source, each with an empty cache."""
    photos = options.data or draw_photos(work / "photos", 400 if options.quick else 2000)
    table = Table(
        "images per second, one loader process",
        ["", "scan", "scan again", "first pass", "second pass"],
    )
    with _served(photos, 0) as near, _served(photos, _FAR_SECONDS) as far:
        places = {
            "folder": str(photos),
            "zip": f"zip://::{_zipped(photos, work / 'photos.zip')}",
            "tar": f"tar://::{_tarred(photos, work / 'photos.tar')}",
            "http": near,
            "http, answers after 20 ms": far,
        }
        for name, place in places.items():
            os.environ[CACHE_VARIABLE] = str(work / f"cache-{len(table.rows)}")
            table.add(name, *(f"{speed:,.0f}" for speed in _read(place, options.batch_size)))
            say(name)
    if importlib.util.find_spec("webdataset"):
        passes = _shards_read(_sharded(photos, work), options.batch_size)
        table.add("webdataset, shards here", NOTHING, NOTHING, *(f"{s:,.0f}" for s in passes))
    return Report([table])


def _read(place: str, batch_size: int) -> Iterator[float]:
    plan = None
    for _ in range(2):
        began = time.perf_counter()
        plan = plan_data(parse_location(place), SplitOptions(0.1, seed=1))
        assert plan is not None
        yield len(plan.all) / (time.perf_counter() - began)
    config = load_config(values={"data.root": place})
    assert plan is not None
    train, _ = make_datasets(config, plan, _TRANSFORM)
    loader = Loader(train, batch_size, 1, torch.device("cpu"))
    loader.start()
    for epoch in (1, 2):
        yield _speed(lambda epoch=epoch: sum(len(b.labels) for b in loader.epoch("full", epoch)))
    loader.close()


def _speed(read: Callable[[], int]) -> float:
    began = time.perf_counter()
    count = read()
    return count / (time.perf_counter() - began)


def _shards_read(shards: list[str], batch_size: int) -> Iterator[float]:
    import webdataset  # type: ignore[import-not-found]

    transform, _ = make_transforms(load_config(), _TRANSFORM)
    pipeline: Any = webdataset.WebDataset(shards, shardshuffle=False).shuffle(1000).decode("pilrgb")
    pipeline = pipeline.to_tuple("jpg;jpeg;png", "cls").map_tuple(transform, int)
    loader = torch.utils.data.DataLoader(
        pipeline.batched(batch_size),
        batch_size=None,
        num_workers=1,
        persistent_workers=True,
        multiprocessing_context="fork",
    )
    for _ in range(2):
        yield _speed(lambda: sum(len(labels) for _, labels in loader))


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def _zipped(root: Path, archive: Path) -> Path:
    with zipfile.ZipFile(archive, "w") as file:
        for path in _files(root):
            file.write(path, path.relative_to(root))
    return archive


def _tarred(root: Path, archive: Path) -> Path:
    with tarfile.open(archive, "w") as file:
        file.add(root, ".")
    return archive


def _sharded(root: Path, work: Path) -> list[str]:
    """Return the training images as a shard, each file followed by its class."""
    files = _files(root / "train")
    classes = sorted({path.parent.name for path in files})
    for label in range(len(classes)):
        (work / f"{label}.cls").write_text(str(label))
    shard = work / "shard-0.tar"
    with tarfile.open(shard, "w") as file:
        for number, path in enumerate(files):
            file.add(path, f"{number:06}{path.suffix.lower()}")
            file.add(work / f"{classes.index(path.parent.name)}.cls", f"{number:06}.cls")
    return [str(shard)]


@contextmanager
def _served(root: Path, delay: float) -> Iterator[str]:
    class Handler(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            time.sleep(delay)
            super().do_GET()

        def do_HEAD(self) -> None:
            time.sleep(delay)
            super().do_HEAD()

        def log_message(self, *about: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def _parser() -> argparse.ArgumentParser:
    parser = options_parser(__doc__)
    parser.add_argument("--data", type=Path, metavar="DIR", help="images in train/ and val/")
    parser.add_argument("--batch-size", type=int, default=64)
    return parser


if __name__ == "__main__":
    sys.exit(main(_parser(), measure))
