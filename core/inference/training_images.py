"""Find images of an evaluation that the run was trained on, by their content."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

from core.common.errors import DataError
from core.data.image_folder import image_files
from core.data.source import Location
from core.data.sources import parse_location, source_of
from core.data.verify_split import read_split
from core.run.folder import RunFolder


def are_training_images(folder: RunFolder, root: Location, paths: Sequence[str]) -> list[bool]:
    """Return for each image below `root` whether the run was trained on the same content.

    Only files with the size of a training image are read. The answer is False where the run's
    `split.csv` or an image can't be read.
    """
    try:
        trained = [image for image in read_split(folder.split) if image.split == "train"]
        files = _locations(root, paths)
    except (DataError, OSError):
        return [False] * len(paths)
    digests: defaultdict[int, set[str]] = defaultdict(set)
    for image in trained:
        digests[image.bytes].add(image.sha256)
    return list(source_of(root).map(lambda file: _is_among(digests, file), files))


def _locations(root: Location, paths: Sequence[str]) -> list[Location]:
    if not source_of(root).is_remote:
        return [parse_location(path) for path in paths]
    # A URL alone would be a root of its own, with a listing of its own.
    listed = {str(file): file for file in image_files(root)}
    return [listed.get(path) or parse_location(path) for path in paths]


def _is_among(digests: Mapping[int, set[str]], file: Location) -> bool:
    try:
        if (size := file.stat().st_size) not in digests:
            return False
        content = source_of(file).read(file, max_bytes=size + 1, retry=False)
    except (OSError, DataError):
        return False
    return hashlib.sha256(content).hexdigest() in digests[size]
