"""Scripted runs with evaluations, of few and of very many classes."""

import random
from pathlib import Path

from PIL import Image, ImageDraw

from core.events import types as ev
from core.events.evaluation_parts import CalibrationBin, Confusion, Mistake
from tests.core.evaluations import evaluated
from tests.tui.scripted import Script

ANIMALS = (
    *("bears", "birds", "cats", "cows", "deer", "dogs", "ducks", "elephants", "foxes", "frogs"),
    *("goats", "horses", "lions", "monkeys", "owls", "pandas", "rabbits", "sheep", "tigers"),
    "zebras",
)
# Names that a terminal must not interpret: markup, controls, right-to-left, wide characters.
ODD = ("[red]x[/]", "a\x1b[2Jb", "‮shalom שלום", "写真の犬", "👩‍👩‍👧 family", "n\r\nl" * 20, "")


def animals() -> Script:
    """Two epochs of twenty classes; in the second more ducks are predicted as birds."""
    script = _prepared(list(ANIMALS))
    for epoch in (1, 2):
        matrix = _matrix(20, 50, epoch)
        matrix[6][6], matrix[6][1] = 43 - 3 * epoch, 4 + 3 * epoch
        script.epoch("head", epoch, 0.5 / epoch, 0.8 + 0.05 * epoch)
        script.add(evaluated(matrix, epoch=epoch, calibration=_calibration(), mistakes=_mistakes()))
    return script


def odd_names() -> Script:
    """Classes with unusual names."""
    script = _prepared(list(ODD)).epoch("head", 1, 0.5, 0.8)
    mistakes = [Mistake(f"{name}/x.jpg", n, 0, 0.5) for n, name in enumerate(ODD)]
    return script.add(evaluated(_matrix(len(ODD), 10, 1), mistakes=mistakes))


def thousand() -> Script:
    """A thousand classes, as in ImageNet, and two thousand confused pairs."""
    script = _prepared([f"class number {n}" for n in range(1000)])
    choose = random.Random(4)
    found: dict[tuple[int, int], int] = {}
    while len(found) < 2000:
        truth, predicted = choose.randrange(1000), choose.randrange(1000)
        if truth != predicted:
            found[truth, predicted] = choose.randrange(1, 9)
    confusions = [Confusion(t, p, n) for (t, p), n in found.items()]
    for epoch in (1, 2):
        script.epoch("head", epoch, 0.5, 0.8)
        script.add(
            ev.Evaluated(
                phase="head",
                epoch=epoch,
                support=[50] * 1000,
                predicted=[50] * 1000,
                correct=[40] * 1000,
                confusions=sorted(confusions, key=lambda c: -c.pictures),
                confusions_left_out=123,
                calibration=_calibration(),
                mistakes=[],
            )
        )
    return script


def _prepared(classes: list[str], root: str = "photos") -> Script:
    script = Script()
    script.add(ev.DataReady(root=root, classes=classes, train=900, val=50 * len(classes)))
    return script.phase("head")


def _matrix(size: int, support: int, seed: int) -> list[list[int]]:
    choose = random.Random(seed)
    matrix = []
    for truth in range(size):
        row = [0] * size
        row[truth] = support
        for _ in range(choose.randrange(4)):
            other = choose.randrange(size)
            wrong = choose.randrange(1, 3) if other != truth else 0
            row[truth] -= wrong
            row[other] += wrong
        matrix.append(row)
    return matrix


def _calibration() -> list[CalibrationBin]:
    bins = [CalibrationBin(0, 0.0, 0)] * 3
    for number in range(3, 15):
        pictures = 3 + number * number
        confidence = (number + 0.6) / 15
        bins.append(
            CalibrationBin(pictures, pictures * confidence, round(pictures * 0.95 * confidence))
        )
    return bins


def _mistakes() -> list[Mistake]:
    return [Mistake(f"ducks/{number:03}.jpg", 6, 1, 0.99 - number / 50) for number in range(24)]


def with_images(folder: Path) -> Script:
    """A run with misclassified images and training samples on disk. The last three images cannot be
    shown: one is missing, one damaged, one outside the data folder."""
    root = folder / "photos"
    mistakes = []
    for number in range(4):
        path = f"ducks/{number}.png"
        (root / "ducks").mkdir(parents=True, exist_ok=True)
        _photo(number).save(root / path)
        mistakes.append(Mistake(path, 6, 1, 0.99 - number / 10))
    (root / "ducks/damaged.png").write_bytes(b"\x89PNG no more")
    for number, path in enumerate(("ducks/gone.png", "ducks/damaged.png", "../../etc/passwd")):
        mistakes.append(Mistake(path, 6, 1, 0.5 - number / 10))
    script = _prepared(list(ANIMALS), str(root))
    run = folder / "runs" / script.records[0].event.run_id  # type: ignore[union-attr]
    (run / "samples").mkdir(parents=True)
    sheet = Image.new("RGB", (256, 128))
    for number in range(8):
        sheet.paste(_photo(number).resize((64, 64)), (64 * (number % 4), 64 * (number // 4)))
    sheet.save(run / "samples/head.png")
    script.add(
        ev.SamplesSaved(
            phase="head",
            epoch=1,
            path="samples/head.png",
            side=64,
            columns=4,
            files=[f"ducks/{number}.png" for number in range(8)],
            labels=[6] * 8,
        )
    )
    script.epoch("head", 1, 0.5, 0.8)
    return script.add(evaluated(_matrix(20, 50, 1), mistakes=mistakes))


def _photo(number: int) -> Image.Image:
    """A disc on a horizontal gradient."""
    photo = Image.linear_gradient("L").rotate(90).resize((240, 180))
    other = Image.new("L", photo.size, 40 * number % 256)
    image = Image.merge("RGB", (photo, other, photo.rotate(180)))
    ImageDraw.Draw(image).ellipse((60, 30, 180, 150), fill=(240, 200 - 20 * number, 60))
    return image
