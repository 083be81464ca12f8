"""Train on folders as people have them, or follow the refusal to the letter and train then.

    python -m tests.stress.folders [--photos DIR] [--only NAME]

The folders are those of `tests.folders`. With `--photos`, a folder with one subfolder of
photos per class, photographed ones are added: some photos before a fixed camera (shifted, turned,
lit), as frames of a pan, and cut to slices. Each is given to the command line as a user does it,
with a small model for an epoch of each phase. A refusal must exit with 2 and leave no run, and its
advice must work at once; a run must finish with the expected classes and images.

Prints one line per folder and a verdict; exits with 1 on any failure.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from core.data.verify_split import read_split
from core.run.folder import run_folders
from core.run.report import read_report
from tests.folders import CASES, Case, Given, follow
from tests.stress.common import headless, options, settings, surroundings, verdict

_PHOTOS, _VIEWS = 2, 24


def main() -> None:
    """Run the cases that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    cases = [*CASES, *(_photographed(arguments.photos) if arguments.photos else ())]
    problems, tried = [], 0
    for case in cases:
        if arguments.only in case.name:
            tried += 1
            found = _try(case)
            print(f"{case.name:40} {found or 'trained'}", flush=True)
            problems += [f"{case.name}: {found}"] if found else []
    sys.exit(verdict("folders", problems, f"{tried} folders"))


def _try(case: Case) -> str:
    """Return what is wrong, or ""."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "data").mkdir()
        given = case.make(work / "data")
        if case.refusal:
            code, text = _train(given, work)
            message = text.strip().splitlines()[-1].removeprefix("error: ")
            if code != 2 or case.refusal not in message or any(run_folders(work / "runs")):
                return f"not refused as expected: exit {code}, {message}"
            given = follow(message, given)
        code, text = _train(given, work)
        if code:
            return f"exit {code}: {text[-500:]}"
        (run,) = run_folders(work / "runs")
        images = read_split(run.split)
        if len(images) != case.images:
            return f"{len(images)} images instead of {case.images}"
        state = read_report(run).state
        return "" if state.status == "finished" else f"ended as {state.status}"


def _train(given: Given, work: Path) -> tuple[int, str]:
    values = settings(Path(given.data), 1, 1)
    values.pop("data.root")
    extra = [text for setting in given.settings for text in ("--set", setting)]
    done = subprocess.run(
        headless(work / "runs", "--data", given.data, *options(values), *extra),
        check=False,
        capture_output=True,
        text=True,
        env=surroundings(work),
    )
    return done.returncode, done.stderr or done.stdout


def _photographed(photos: Path) -> Iterator[Case]:
    """Yield cases that are made from real photos."""
    folders = sorted(path for path in photos.iterdir() if path.is_dir())[:2]
    files = [sorted(folder.glob("*.jp*g"))[:_PHOTOS] for folder in folders]
    for kind, view in (("fixed camera", _fixed), ("pan", _pan), ("slices", _slice)):
        for seed in range(4):
            yield Case(
                f"photographed {kind} {seed}",
                partial(_views, files=files, view=view, seed=seed),
                ("a", "b"),
                2 * _PHOTOS * _VIEWS,
            )


def _views(root: Path, files: list[list[Path]], view: object, seed: int) -> Given:
    rng = np.random.default_rng(seed)
    for label, paths in zip("ab", files, strict=True):
        (root / label).mkdir()
        for number, path in enumerate(paths):
            with Image.open(path) as opened:
                photo = opened.convert("RGB").resize((144, 144))
            for index in range(_VIEWS):
                image = view(photo, index, rng)  # type: ignore[operator]
                image.save(root / label / f"{number}_{index:03d}.jpg", quality=90)
    return Given(str(root))


def _fixed(photo: Image.Image, index: int, rng: np.random.Generator) -> Image.Image:
    turned = photo.rotate(float(rng.uniform(-5, 5)), Image.Resampling.BILINEAR)
    x, y = (int(value) for value in rng.integers(3, 14, 2))
    pixels = np.asarray(turned.crop((x, y, x + 128, y + 128)), dtype=np.float32)
    return Image.fromarray(np.clip(pixels * rng.uniform(0.95, 1.05), 0, 255).astype(np.uint8))


def _pan(photo: Image.Image, index: int, rng: np.random.Generator) -> Image.Image:
    x = index * 2
    return photo.crop((x, 20, x + 96, 116))


def _slice(photo: Image.Image, index: int, rng: np.random.Generator) -> Image.Image:
    side = 40 + index * 4
    return photo.crop((72 - side // 2, 72 - side // 2, 72 + side // 2, 72 + side // 2))


if __name__ == "__main__":
    main()
