"""Images that look alike, and groups."""

from dataclasses import replace
from pathlib import Path

from tests.folders.case import Given, case, images
from tests.folders.draw_similar import fixed_camera, slices, video_frames
from tests.make_images import make_images


@case(60, classes=("good", "scratched"))
def _a_fixed_camera(root: Path) -> Given:
    return Given(str(fixed_camera(root / "photos", each=30)))


@case(200, classes=("good", "scratched"))
def _a_fixed_camera_with_many_parts(root: Path) -> Given:
    return Given(str(fixed_camera(root / "photos", each=100, seed=3)))


@case(20, classes=("good", "scratched"))
def _a_fixed_camera_with_few_parts(root: Path) -> Given:
    return Given(str(fixed_camera(root / "photos", each=10, seed=5)))


@case(60, classes=("good", "scratched"))
def _a_fixed_camera_with_a_test_split(root: Path) -> Given:
    return Given(str(fixed_camera(root / "photos", each=30)), ("data.test_fraction=0.2",))


@case(60, classes=("good", "scratched"))
def _a_fixed_camera_without_a_warning(root: Path) -> Given:
    given = _a_fixed_camera(root)
    return replace(given, settings=("data.near_duplicates=ignore",))


@case(76, classes=("class_0", "class_1", "good", "scratched"))
def _a_fixed_camera_for_some_classes(root: Path) -> Given:
    make_images(root / "photos", classes=2, per_class=8)
    return _a_fixed_camera(root)


@case(180, classes=("a", "b"))
def _frames_of_videos(root: Path) -> Given:
    return Given(str(video_frames(root / "photos")))


@case(180, classes=("a", "b"))
def _frames_grouped_by_video(root: Path) -> Given:
    return Given(str(video_frames(root / "photos")), (r"data.group=(\w)/\w(\d)_",))


@case(60, classes=("a", "b"))
def _one_video_a_class(root: Path) -> Given:
    return Given(str(video_frames(root / "photos", videos=1)))


@case(60, classes=("a", "b"), refusal="has no images for val")
def _one_group_a_class(root: Path) -> Given:
    return Given(str(video_frames(root / "photos", videos=1)), (r"data.group=(\w)/\w(\d)_",))


@case(240, classes=("a", "b"))
def _slices_of_volumes(root: Path) -> Given:
    return Given(str(slices(root / "photos")))


@case(240, classes=("a", "b"))
def _slices_grouped_by_volume(root: Path) -> Given:
    return Given(str(slices(root / "photos")), (r"data.group=(\w)/\w(\d)_",))


@case(16, refusal="data.group=")
def _a_group_that_matches_nothing(root: Path) -> Given:
    return replace(images(root), settings=(r"data.group=(patient\d+)_",))
