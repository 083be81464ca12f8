"""Remote data: results equal to a local folder, or an error with the reason."""

import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image

from core.common.errors import DataError
from core.common.location import absolute_location, location_name
from core.config.load import ConfigError, load_config
from core.data import filesystems
from core.data.assign import SplitOptions
from core.data.check import check_data
from core.data.decode import UnreadableImage
from core.data.image_folder import check_root, count_images, list_images
from core.data.loading.dataset import ImageDataset, ImageUnavailable, LoaderError, SampleKey
from core.data.source import Location
from core.data.sources import parse_location
from core.data.split import DataPlan, plan_data
from core.data.verify_split import verify_split
from core.events.journal import replay
from core.events.types import EpochEnded
from core.forecast.forecast import summarize_data
from core.inference.input_paths import image_paths
from core.inference.labeled_images import list_labeled_images
from core.inference.read_file import read_bytes
from core.run.find import find_run
from core.run.folder import RunFolder
from core.session.engine_thread import EngineThread
from core.session.fit import TrainingFailed, fit
from core.session.preflight import check as preflight
from core.session.resume import plan_resumption
from tests.make_images import make_images

ROOT = "memory://photos"


class Flaky(MemoryFileSystem):
    """A file system with the files of `memory://` that fails as often as configured."""

    protocol = "flaky"
    failures = 0
    fetched = 0
    cut = 0
    lost_at = 0

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return MemoryFileSystem._strip_protocol(str(path).replace("flaky://", "memory://"))

    def cat_file(self, path: str, start: None = None, end: None = None, **rest: object) -> bytes:
        cls = type(self)
        cls.fetched += 1
        if cls.failures > 0 or 0 < cls.lost_at < cls.fetched:
            cls.failures -= 1
            raise ConnectionResetError("Connection reset by peer")
        data = MemoryFileSystem.cat_file(self, path)
        cls.cut, cut = 0, cls.cut
        return data[: len(data) - cut]


fsspec.register_implementation("flaky", Flaky, clobber=True)


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Flaky]]:
    monkeypatch.setattr(filesystems, "WAITS", (0.0, 0.0))
    monkeypatch.setattr("core.data.listing.LISTING_WAITS", ())
    Flaky.failures = Flaky.fetched = Flaky.cut = Flaky.lost_at = 0
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    yield Flaky
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A local image folder that is also in `memory://`."""
    root = make_images(tmp_path / "photos", classes=2, per_class=6)
    (root / "class_0" / "broken.jpg").write_bytes(b"not an image")
    (root / "class_0" / "notes.txt").write_text("")
    (root / ".cache").mkdir()
    (root / ".cache" / "x.png").write_bytes(b"")
    fsspec.filesystem("memory").put(str(root), "/photos", recursive=True)
    return root


def planned(root: Location) -> DataPlan:
    plan = plan_data(root, SplitOptions(0.25, seed=1))
    assert plan is not None
    return plan


def size_of(image: Image.Image) -> tuple[int, int]:
    return image.size


def rows(plan: DataPlan) -> list[tuple[str, str, str, str, int]]:
    return [(p.path, p.label, p.split, p.sha256, p.bytes) for p in plan.all]


def error_of(url: str) -> str:
    with pytest.raises(DataError) as caught:
        check_root(parse_location(url))
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_remote_folder_is_split_like_a_local_one(folder: Path) -> None:
    here, there = planned(folder), planned(parse_location(ROOT))
    assert rows(there) == rows(here)
    assert there.damaged == here.damaged
    assert there.fingerprint == here.fingerprint


def test_check_and_forecast_equal_those_of_a_local_folder(folder: Path) -> None:
    here, there = check_data(folder), check_data(parse_location(ROOT))
    assert here is not None
    assert there is not None
    assert {**there.to_dict(), "root": ""} == {**here.to_dict(), "root": ""}
    assert summarize_data(parse_location(ROOT), 0.2) == summarize_data(folder, 0.2)
    assert count_images(parse_location(ROOT)) == count_images(folder)


def test_remote_folder_is_read_only(folder: Path) -> None:
    before = {path: file.getvalue() for path, file in MemoryFileSystem.store.items()}
    planned(parse_location(ROOT))
    check_data(parse_location(ROOT))
    assert {path: file.getvalue() for path, file in MemoryFileSystem.store.items()} == before


def test_known_files_are_not_fetched_again(folder: Path, network: type[Flaky]) -> None:
    planned(parse_location("flaky://photos"))
    fetched = network.fetched
    assert fetched == 13
    again = planned(parse_location("flaky://photos"))
    assert network.fetched == fetched
    assert rows(again) == rows(planned(folder))
    fsspec.filesystem("memory").put(str(folder / "class_1"), "/photos/class_1", recursive=True)
    planned(parse_location("flaky://photos"))
    assert network.fetched == fetched + 6


def test_changed_image_is_noticed_on_resume(folder: Path, tmp_path: Path) -> None:
    plan = planned(parse_location(ROOT))
    plan.write_csv(tmp_path / "split.csv")

    def differences() -> str:
        found = verify_split(
            parse_location(ROOT), tmp_path / "split.csv", lambda *_: None, lambda: False
        )
        assert found is not None
        return str(found[1])

    assert differences() == ""
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/photos/class_0/001.png", memory.cat_file("/photos/class_1/001.png"))
    memory.rm_file("/photos/class_0/002.png")
    assert differences() == "1 missing (class_0/002.png); 1 changed (class_0/001.png)"


def test_lost_connection_is_retried(folder: Path, network: type[Flaky]) -> None:
    network.failures = 2
    assert rows(planned(parse_location("flaky://photos"))) == rows(planned(folder))


def test_incomplete_transfer_is_retried(folder: Path, network: type[Flaky]) -> None:
    network.cut = 10
    assert rows(planned(parse_location("flaky://photos"))) == rows(planned(folder))


def test_unavailable_image_is_not_left_out(folder: Path, network: type[Flaky]) -> None:
    network.failures = 10_000
    with pytest.raises(DataError, match=r"flaky://photos/class_\d.* can't be fetched: Conn"):
        planned(parse_location("flaky://photos"))


def test_unavailable_image_ends_training(folder: Path, network: type[Flaky]) -> None:
    plan = planned(parse_location("flaky://photos"))
    dataset = pickle.loads(pickle.dumps(ImageDataset(plan, "train", size_of, 1)))
    assert dataset[SampleKey("head", 1, 0)].image == (32, 32)
    network.failures = 3
    with pytest.raises(LoaderError, match="can't be fetched: Connection reset by peer"):
        dataset[SampleKey("head", 1, 0)]
    memory = fsspec.filesystem("memory")
    other = memory.cat_file(f"/photos/{plan.train[1].path}")
    memory.pipe_file(f"/photos/{plan.train[0].path}", other)
    with pytest.raises(LoaderError, match="has changed"):
        dataset[SampleKey("head", 1, 0)]


def test_worker_error_is_shown_without_traceback() -> None:
    trace = "Caught ImageUnavailable in DataLoader worker process 0.\nOriginal Traceback …\n"
    assert (
        str(ImageUnavailable(f"{trace}core.data.loading.dataset.ImageUnavailable: s3://b: gone\n"))
        == "s3://b: gone"
    )


TINY = {
    "model.name": "test_convnext",
    "model.pretrained": False,
    "device": "cpu",
    "precision": "fp32",
    "memory_format": "contiguous",
    "data.image_size": 32,
    "data.batch_size": 4,
    "data.workers": 0,
    "data.decode_once": False,
    "phases.head.epochs": 0,
    "phases.full.epochs": 3,
}


def losses(run: RunFolder) -> list[tuple[float, float]]:
    events = [record.event for record in replay(run.journal)[0]]
    return [(e.train_loss, e.val_loss) for e in events if isinstance(e, EpochEnded)]


def test_run_resumes_when_its_data_is_available_again(
    folder: Path, tmp_path: Path, network: type[Flaky]
) -> None:
    here = fit(values={**TINY, "data.root": str(folder)}, runs_dir=tmp_path / "here")
    network.lost_at = 13 + 20  # in the second epoch
    with pytest.raises(TrainingFailed, match="can't be fetched: Connection reset by peer"):
        fit(values={**TINY, "data.root": "flaky://photos"}, runs_dir=tmp_path / "there")
    run = find_run(tmp_path / "there", "2")
    assert len(losses(run)) == 1
    network.lost_at = 0
    resumption = plan_resumption(run, [])
    engine = EngineThread(resumption.config, tmp_path / "there", resumption=resumption)
    engine.start()
    ended = engine.join(timeout=60)
    assert ended is not None
    assert ended.outcome == "finished"
    assert losses(run) == losses(RunFolder(here.folder))


def test_names_cannot_leave_the_folder(tmp_path: Path) -> None:
    whole = make_images(tmp_path / "photos", classes=2, per_class=3)
    image = (whole / "class_0" / "000.png").read_bytes()
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in whole.rglob("*.png"):
            file.write(path, path.relative_to(whole))
        file.writestr("../up/a.png", image)
        file.writestr("class_0/../../b.png", image)
        file.writestr("class_1/\x1b[2Jd.png", image)
    url = f"zip://::{archive}"
    assert [item.path for item in list_images(parse_location(url))] == [
        *(f"class_0/{number:03d}.png" for number in range(3)),
        "class_1/\x1b[2Jd.png",
        *(f"class_1/{number:03d}.png" for number in range(3)),
    ]
    assert "is outside its folder" in read_error(parse_location(url) / "../up/a.png")
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("class_0/x::file:a.png", image)
    assert error_of(url).endswith("can't be part of a URL; rename it")


def read_error(file: Location) -> str:
    with pytest.raises(DataError) as caught:
        file.read_bytes()
    return str(caught.value)


def test_unusable_locations_are_named(folder: Path, tmp_path: Path) -> None:
    assert "no such folder; give" in error_of("memory://nothing")
    assert "no such folder; give" in error_of(f"zip://::{tmp_path}/none.zip")
    assert "is a file; give" in error_of("memory://photos/class_0/notes.txt")
    assert "can't be listed: Cannot connect" in error_of("http://127.0.0.1:9/photos")
    assert "fsspec knows no protocol nope://" in error_of("nope://photos")


def test_missing_package_is_named_before_a_run_starts() -> None:
    lacking = ("lacking", "no_such_package.FS")
    fsspec.register_implementation(*lacking, clobber=True, errtxt="Install lackingfs to use it")
    with pytest.raises(DataError, match="a package is missing: Install lackingfs"):
        preflight(load_config(values={"data.root": "lacking://bucket/photos"}))


def test_missing_permission_is_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Flaky, path: str, **rest: object) -> bytes:
        raise PermissionError(path)

    monkeypatch.setattr(Flaky, "cat_file", refuse)
    with pytest.raises(DataError, match="permission denied; set credentials in"):
        planned(parse_location("flaky://photos"))


@pytest.mark.parametrize(
    "url",
    [
        "sftp://me:hunter2@host/photos",
        "sftp://me:hunter/2@host/photos",
        "zip://photos::sftp://me:hunter2@host/a.zip",
        "s3://KEY:hunter2@bucket",
    ],
)
def test_password_is_refused_and_not_repeated(url: str) -> None:
    for call in (
        parse_location,
        absolute_location,
        lambda text: load_config(values={"data.root": text}),
        lambda text: load_config(overrides=[f"data.root={text}"]),
        lambda text: list(image_paths([text])),
    ):
        with pytest.raises((DataError, ConfigError)) as caught:
            call(url)
        assert "must not contain a password" in str(caught.value)
        assert "hunter" not in str(caught.value)


def test_urls_are_normalized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute_location("zip://::a.zip") == f"zip://::{tmp_path}/a.zip"
    assert absolute_location("s3://bucket/photos/") == "s3://bucket/photos"
    assert absolute_location("http://host:80/a@b/") == "http://host:80/a@b"
    assert absolute_location("sftp://me@host/photos") == "sftp://me@host/photos"
    assert str(parse_location("tar://photos::s3://b/x.tar") / "a/b.jpg") == (
        "tar://photos/a/b.jpg::s3://b/x.tar"
    )
    assert str(parse_location("simplecache::s3://b") / "a.jpg") == "simplecache::s3://b/a.jpg"
    assert str(parse_location("https://host/p") / "a b#.jpg") == "https://host/p/a%20b%23.jpg"
    assert [location_name(url) for url in ("s3://b/birds", "s3://b", "zip://::/x/y.zip")] == [
        *("birds", "b", "y"),
    ]


def test_images_for_evaluation_and_prediction_are_found(folder: Path) -> None:
    labelled = list_labeled_images(parse_location(ROOT), ["class_0", "class_1"])
    here = list_labeled_images(folder, ["class_0", "class_1"])
    assert list(labelled.labels) == list(here.labels)
    assert [path.removeprefix(ROOT) for path in labelled.paths] == [
        path.removeprefix(str(folder)) for path in here.paths
    ]
    assert list(image_paths([f"{ROOT}/class_1"])) == [
        f"{ROOT}/class_1/{number:03d}.png" for number in range(6)
    ]


def test_missing_file_does_not_end_a_prediction(folder: Path) -> None:
    with pytest.raises(UnreadableImage, match="no such file"):
        read_bytes(f"{ROOT}/class_1/gone.png")
    Flaky.failures = 1000
    with pytest.raises(DataError, match="can't be fetched"):
        read_bytes("flaky://photos/class_1/000.png")
