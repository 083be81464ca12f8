"""Find images of an evaluation that the run was trained on, by their content."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from core.common.errors import DataError
from core.data.sources import parse_location, source_of
from core.data.verify_split import read_split
from core.run.folder import RunFolder


def are_training_images(folder: RunFolder, paths: Sequence[str]) -> list[bool]:
    """Return for each image whether the run was trained on the same content.

    Only files with the size of a training image are read. The answer is False for remote images,
    and where the run's `split.csv` or an image can't be read.
    """
    try:
        trained = [image for image in read_split(folder.split) if image.split == "train"]
    except DataError:
        return [False] * len(paths)
    digests: defaultdict[int, set[str]] = defaultdict(set)
    for image in trained:
        digests[image.bytes].add(image.sha256)
    return [_is_among(digests, path) for path in paths]


def _is_among(digests: dict[int, set[str]], path: str) -> bool:
    try:
        file = parse_location(path)
        if source_of(file).is_remote or (size := file.stat().st_size) not in digests:
            return False
        content = source_of(file).read(file, max_bytes=size + 1, retry=False)
    except (OSError, DataError):
        return False
    return hashlib.sha256(content).hexdigest() in digests[size]
