import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data import resolve_data_config
from torch import Tensor
from torchvision.transforms import Compose, Normalize
from torchvision.transforms.functional import to_tensor

from core.common.cpu import uses_workers, workers_needed
from core.config.load import load_config, with_values
from core.config.schema import Config
from core.data.assign import SplitOptions
from core.data.decode import upright_rgb
from core.data.loading.dataset import Batch, ImageDataset, SampleKey, collate
from core.data.loading.loader import Loader, make_datasets, make_loaders, seconds_per_image
from core.data.loading.order import epoch_order
from core.data.loading.transforms import automatic_operations, make_transforms, posterize
from core.data.split import DataPlan, plan_data
from core.model.normalize import NormalizedModel
from tests.make_images import make_images

pytestmark = pytest.mark.usefixtures("forked_interpreter")

SIDE = 32
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(
        values={
            "data.image_size": SIDE,
            "data.batch_size": 4,
            "data.workers": 0,
            "data.augment.color_jitter": 0.4,
        }
    )


@pytest.fixture(scope="module")
def data_config() -> dict[str, object]:
    model = timm.create_model("test_convnext", pretrained=False)
    resolved: dict[str, object] = resolve_data_config(model=model)
    return resolved


@pytest.fixture
def plan(tmp_path: Path) -> DataPlan:
    root = make_images(tmp_path / "photos", classes=2, per_class=8, size=48)
    found = plan_data(root, SplitOptions(0.25, seed=1))
    assert found is not None
    return found


@pytest.fixture
def train_set(config: Config, plan: DataPlan, data_config: dict[str, object]) -> ImageDataset:
    transform, _ = make_transforms(config, data_config)
    return ImageDataset(plan, "train", transform, seed=5)


@pytest.fixture
def val_set(config: Config, plan: DataPlan, data_config: dict[str, object]) -> ImageDataset:
    _, transform = make_transforms(config, data_config)
    return ImageDataset(plan, "val", transform, seed=5)


def image(dataset: ImageDataset, index: int, epoch: int = 1, phase: str = "head") -> Tensor:
    sample = dataset[SampleKey(phase, epoch, index)]
    assert sample.image is not None
    return sample.image


def assert_same(got: Batch, expected: Batch) -> None:
    assert torch.equal(got.images, expected.images)
    assert got.indices.tolist() == expected.indices.tolist()
    assert got.labels.tolist() == expected.labels.tolist()
    assert got.failed == expected.failed


def test_sample_is_a_uint8_image_with_its_label(train_set: ImageDataset) -> None:
    sample = train_set[SampleKey("head", 1, 7)]
    assert sample.image is not None
    assert sample.image.shape == (3, SIDE, SIDE)
    assert sample.image.dtype == torch.uint8
    assert (sample.label, sample.sample_index, sample.error) == (train_set.labels[7], 7, "")


def test_datasets_contain_the_splits_of_the_plan(
    plan: DataPlan, train_set: ImageDataset, val_set: ImageDataset
) -> None:
    assert train_set.paths == [p.path for p in plan.train]
    assert val_set.paths == [p.path for p in plan.val]
    assert [plan.classes[label] for label in train_set.labels] == [p.label for p in plan.train]


@pytest.mark.parametrize("policy", ["null", "rand-m9-mstd0.5", "augmix-m5"])
def test_sample_depends_only_on_its_key(
    plan: DataPlan, data_config: dict[str, object], policy: str
) -> None:
    config = load_config(
        overrides=[
            f"data.image_size={SIDE}",
            f"data.augment.auto_augment={policy}",
            "data.augment.erase=0.5",
        ]
    )
    transform, _ = make_transforms(config, data_config)
    dataset = ImageDataset(plan, "train", transform, seed=5)
    in_order = [image(dataset, index) for index in range(len(dataset))]
    random.seed(99)
    np.random.seed(99)
    torch.manual_seed(99)
    for index in reversed(range(len(dataset))):
        assert torch.equal(image(dataset, index), in_order[index])


def test_augmentation_differs_by_epoch_phase_and_seed(
    config: Config, plan: DataPlan, data_config: dict[str, object], train_set: ImageDataset
) -> None:
    transform, _ = make_transforms(config, data_config)
    other_seed = ImageDataset(plan, "train", transform, seed=6)
    variants = [
        image(train_set, 0),
        image(train_set, 0, epoch=2),
        image(train_set, 0, phase="full"),
        image(other_seed, 0),
    ]
    for number, one in enumerate(variants):
        assert not any(torch.equal(one, other) for other in variants[number + 1 :])


def test_validation_images_are_equal_in_every_epoch(val_set: ImageDataset) -> None:
    assert torch.equal(image(val_set, 0), image(val_set, 0, epoch=9, phase="full"))


def test_normalization_is_bit_identical_to_torchvision(
    config: Config, data_config: dict[str, object]
) -> None:
    _, transform = make_transforms(config, data_config)
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    for layout in (torch.contiguous_format, torch.channels_last):
        images = transform(Image.fromarray(noise))[None].contiguous(memory_format=layout)
        net = NormalizedModel(torch.nn.Conv2d(3, 3, 1), mean, std)
        net.model = torch.nn.Identity()
        as_shown = Compose(transform.transforms[:-1])(Image.fromarray(noise))
        expected = Normalize(mean, std)(to_tensor(as_shown))
        assert torch.equal(net(images)[0], expected)
        assert net(images).is_contiguous(memory_format=layout)
        assert torch.equal(net(expected), expected), "already normalized"


def test_erased_images_are_normalized_first(plan: DataPlan, data_config: dict[str, object]) -> None:
    config = load_config(overrides=[f"data.image_size={SIDE}", "data.augment.erase=1.0"])
    transform, _ = make_transforms(config, data_config)
    dataset = ImageDataset(plan, "train", transform, seed=5)
    erased = image(dataset, 0)
    assert erased.dtype == torch.float32
    assert (erased == 0).any(dim=0).any(), "the rectangle has the mean color"


def test_augmentation_can_be_disabled(plan: DataPlan, data_config: dict[str, object]) -> None:
    off = {"min_scale": 1.0, "hflip": 0.0, "color_jitter": 0.0}
    config = load_config(
        values={"data.image_size": SIDE, **{f"data.augment.{k}": v for k, v in off.items()}}
    )
    transform, _ = make_transforms(config, data_config)
    dataset = ImageDataset(plan, "train", transform, seed=5)
    assert (image(dataset, 0).float() - image(dataset, 0, epoch=2).float()).abs().mean() < 30


def test_unreadable_file_is_reported_and_not_replaced(
    train_set: ImageDataset,
) -> None:
    Path(train_set.root, train_set.paths[1]).write_bytes(b"damaged")
    Path(train_set.root, train_set.paths[3]).write_bytes(b"\x89PNG\r\n\x1a\n")
    batch = collate([train_set[SampleKey("head", 1, index)] for index in (4, 3, 2, 1)])
    assert batch.indices.tolist() == [4, 2]
    assert batch.labels.tolist() == [train_set.labels[4], train_set.labels[2]]
    assert torch.equal(batch.images, torch.stack([image(train_set, 4), image(train_set, 2)]))
    assert [index for index, _ in batch.failed] == [3, 1]
    assert all(reason for _, reason in batch.failed)


def test_batch_of_unreadable_files_is_empty(train_set: ImageDataset) -> None:
    Path(train_set.root, train_set.paths[0]).write_bytes(b"damaged")
    batch = collate([train_set[SampleKey("head", 1, 0)]])
    assert (len(batch.images), len(batch.labels), len(batch.failed)) == (0, 0, 1)
    assert batch.labels.dtype == batch.indices.dtype == torch.int64


def test_epoch_order_is_a_seeded_permutation() -> None:
    order = epoch_order(20, 1029, "head", 1)
    assert sorted(order) == list(range(20))
    assert epoch_order(20, 1029, "head", 1) == order
    others = [
        epoch_order(20, 1029, "head", 2),
        epoch_order(20, 1029, "full", 1),
        epoch_order(20, 1030, "head", 1),
    ]
    assert all(other != order for other in others)


@pytest.mark.parametrize(
    ("reading", "network", "cores", "shared", "workers"),
    [
        (8e-3, 1e-3, 1, True, 0),
        (8e-3, 1e-3, 1, False, 0),
        (8e-3, 1e-3, 16, False, 10),
        (8e-3, 1e-3, 4, False, 3),
        (1e-6, 1e-3, 16, False, 1),
        (2e-3, 1e-3, 2, True, 1),
        (100e-3, 1e-3, 2, True, 2),
        (2e-3, 1e-3, 64, True, 2),
    ],
)
def test_number_of_workers_matches_the_network(
    reading: float, network: float, cores: int, shared: bool, workers: int
) -> None:
    assert workers_needed(reading, network, cores, shared) == workers


def test_use_of_workers_is_known_before_measuring(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {3}, raising=False)
    assert not uses_workers("auto")
    assert uses_workers(1)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {3, 5}, raising=False)
    assert uses_workers("auto")
    assert not uses_workers(0)


def test_measuring_the_loading_time_has_no_side_effect(
    train_set: ImageDataset,
) -> None:
    before = image(train_set, 0)
    assert 0 < seconds_per_image(train_set) < 60
    assert torch.equal(image(train_set, 0), before)


def passes(loader: Loader, count: int) -> Iterator[list[Batch]]:
    """Yield complete passes, each after one that was abandoned."""
    size = len(loader.dataset)
    for epoch in range(1, count + 1):
        started = loader.epoch("head", 100 + epoch, epoch_order(size, 5, "head", 100 + epoch))
        next(started)
        order = epoch_order(size, 5, "head", epoch)
        yield list(loader.epoch("head", epoch, order))


def test_pass_yields_every_image_once_in_order(
    train_set: ImageDataset,
) -> None:
    loader = Loader(train_set, batch_size=5, workers=0, device=CPU)
    order = epoch_order(len(train_set), 5, "head", 1)
    batches = list(loader.epoch("head", 1, order))
    assert [len(batch.images) for batch in batches] == [5, 5, 2]
    assert loader.steps == len(batches)
    assert [i for batch in batches for i in batch.indices.tolist()] == order
    own = [i for batch in loader.epoch("val", 0) for i in batch.indices.tolist()]
    assert own == list(range(len(train_set)))


def test_batches_do_not_depend_on_workers_or_abandoned_passes(
    train_set: ImageDataset,
) -> None:
    Path(train_set.root, train_set.paths[2]).write_bytes(b"damaged")
    expected = [
        list(
            Loader(train_set, 4, workers=0, device=CPU).epoch(
                "head", epoch, epoch_order(len(train_set), 5, "head", epoch)
            )
        )
        for epoch in (1, 2)
    ]
    for workers in (0, 2):
        loader = Loader(train_set, 4, workers=workers, device=CPU)
        for got, wanted in zip(passes(loader, 2), expected, strict=True):
            assert len(got) == len(wanted) == loader.steps
            for one, other in zip(got, wanted, strict=True):
                assert_same(one, other)
        loader.close()


def test_loaders_use_batch_size_and_seed_of_the_run(
    config: Config, plan: DataPlan, data_config: dict[str, object]
) -> None:
    config = with_values(config, {"data.decode_once": False})
    train, val = make_loaders(make_datasets(config, plan, data_config), 4, 0, CPU)
    assert (train.steps, val.steps) == (3, 1)
    batch = next(iter(train.epoch("head", 1, list(range(12)))))
    transform, _ = make_transforms(config, data_config)
    equal = ImageDataset(plan, "train", transform, config.seed)
    assert torch.equal(batch.images[0], image(equal, 0))


MODES = ("1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr")
DEEP_MODES = ("I", "F", "I;16", "I;16B", "LA", "La", "PA", "RGBa", "RGBX", "LAB", "HSV")


@pytest.mark.parametrize("increasing", [0, 1])
@pytest.mark.parametrize(
    "policy", ["rand-m{}-mstd0.5", "rand-m{}-p1", "augmix-m{}", "original", "v0"]
)
def test_each_automatic_augmentation_accepts_each_image_at_each_level(
    policy: str, increasing: int, data_config: dict[str, object]
) -> None:
    images = [upright_rgb(Image.new(mode, (SIDE, SIDE + 3))) for mode in DEEP_MODES]
    noise = Image.effect_noise((SIDE, SIDE), 90).convert("RGB")
    images += [upright_rgb(noise.convert(mode)) for mode in MODES]
    for level in range(11) if "{}" in policy else (0,):
        name = policy.format(level) + (f"-inc{increasing}" if policy.startswith("rand") else "")
        options = [f"data.augment.auto_augment={name}", f"data.image_size={SIDE}"]
        train, _ = make_transforms(load_config(overrides=options), data_config)
        operations = list(automatic_operations(train))
        assert operations
        for operation in operations:
            operation.prob = 1.0
            random.seed(level)
            for image in images:
                assert operation(image).size == image.size


@pytest.mark.parametrize(
    ("bits", "kept"), [(-1, 1), (0, 1), (1, 1), (4, 4), (7, 7), (8, 8), (9, 8)]
)
def test_posterize_keeps_at_least_one_bit(bits: int, kept: int) -> None:
    image = Image.linear_gradient("L").convert("RGB")
    found = np.asarray(posterize(image, bits))
    assert np.array_equal(found, np.asarray(image) & (0xFF00 >> kept & 0xFF))
