"""List images with their labels for an evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.common.errors import DataError, SetupError, os_error_text
from core.common.left_out import LeftOut
from core.common.text import printable, quoted
from core.data.source import Location
from core.data.split_folders import find_split, subfolders
from core.data.verify_split import read_split
from core.inference.input_paths import images_below
from core.run.folder import RunFolder

SPLITS = ("test", "val", "train")
_SHOWN = 5


class LabeledImagesError(SetupError):
    """A folder or split that the run can't be evaluated on."""


@dataclass(frozen=True, slots=True)
class LabeledImages:
    """Images of known classes."""

    root: Location
    split: str
    """`test`, `val` or `train`; empty where the root itself contains the class folders."""
    paths: Sequence[str]
    labels: Sequence[int]
    left_out: LeftOut = field(default_factory=LeftOut)
    """Files of the class folders that are no images."""


def list_labeled_images(
    root: Location, classes: Sequence[str], split: str | None = None
) -> LabeledImages:
    """Return the images below `root`, labeled with the index of their folder in `classes`.

    `root` contains one folder per class, or split folders (`test`, `val`, `valid`, `validation`,
    `train`) that do: `split` is used, by default test, else val. Classes without a folder have no
    images. Raises LabeledImagesError if a folder is not a class of the run, rather than leave its
    images out of the metrics.
    """
    folders = class_folders(root)
    top, used_split = root, ""
    if split is not None or not folders.keys() & set(classes):
        top, used_split = _split_folder(root, folders, split)
        folders = class_folders(top)
    unknown = [name for name in folders if name not in classes]
    if unknown:
        raise LabeledImagesError(
            f"{printable(str(top))} has folders that are not classes of this run: "
            f"{_some(unknown)}; the run's classes are {_some(classes)}"
        )
    labels = {name: label for label, name in enumerate(classes)}
    left_out = LeftOut()
    pairs = [
        (path, labels[name])
        for name, folder in folders.items()
        for path in images_below(folder, left_out)
    ]
    if not pairs:
        raise LabeledImagesError(
            f"{printable(str(root))}: no images in the folders of its classes; add some"
        )
    return LabeledImages(
        top, used_split, [path for path, _ in pairs], [label for _, label in pairs], left_out
    )


def list_split_images(
    folder: RunFolder, root: Location, classes: Sequence[str], split: str | None = None
) -> LabeledImages:
    """Return the images of a split of the run, as its split.csv lists them: of `split`, by default
    test if there is one, else val. Raises LabeledImagesError."""
    labels = {name: label for label, name in enumerate(classes)}
    try:
        images = [(image, labels[image.label]) for image in read_split(folder.split)]
    except (DataError, KeyError) as error:
        is_unknown = isinstance(error, KeyError)
        reason = f"unknown class {quoted(error.args[0])}" if is_unknown else str(error)
        raise LabeledImagesError(
            f"the run's own images can't be listed: {reason}; give the folder to evaluate on"
        ) from None
    available = {image.split for image, _ in images}
    wanted = split or ("test" if "test" in available else "val")
    if wanted not in available:
        raise LabeledImagesError(
            f"this run has no {wanted} split; it has {', '.join(sorted(available))}"
        )
    used = [(str(root / image.path), label) for image, label in images if image.split == wanted]
    return LabeledImages(root, wanted, [path for path, _ in used], [label for _, label in used])


def _split_folder(
    root: Location, folders: Mapping[str, Location], split: str | None
) -> tuple[Location, str]:
    shown = printable(str(root))
    for wanted in (split,) if split else ("test", "val"):
        try:
            found = find_split(folders, wanted)
        except OSError as error:
            reason = os_error_text(error)
            raise LabeledImagesError(f"{shown} can't be listed: {reason}") from None
        if found is not None:
            return found, wanted
    if split:
        raise LabeledImagesError(
            f"{shown} has no folder {split}/; omit --part, or give the folder that contains it"
        )
    raise LabeledImagesError(
        f"{shown} contains neither a folder of one of the run's classes nor test/ or val/; "
        "give a folder with one subfolder per class"
    )


def class_folders(top: Location) -> dict[str, Location]:
    """Return the subfolders by name, without those that systems and tools create; raises
    LabeledImagesError if `top` is not a readable folder."""
    try:
        return subfolders(top)
    except OSError as error:
        raise LabeledImagesError(
            f"{printable(str(top))}: {os_error_text(error)}; give a folder"
        ) from None


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(printable(name) for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
