"""What each phase trains on: pictures, or in phase head the features of a frozen backbone."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version

import torch
from torch import nn

from core.common.cache import allocate_entry
from core.config.schema import Config
from core.data.loading.dataset import ImageDataset
from core.data.loading.loader import Loader
from core.data.loading.order import EpochOrder
from core.events.emitter import Emit
from core.events.types import Warned
from core.model.build import head_names, train_mode
from core.model.device import Compute
from core.model.normalize import NormalizedModel
from core.training.features.loader import (
    FeatureLoader,
    FrozenBackbone,
    PhaseInput,
    is_deterministic,
    feature_cache_name,
    weights_digest,
)
from core.training.features.store import FeatureStore
from core.training.losses import training_loss
from core.training.mixup import make_mixup

_FEATURE_PACKAGES = ("torch", "torchvision", "timm", "pillow")


def make_phase_inputs(
    config: Config,
    net: NormalizedModel,
    loaders: tuple[Loader, Loader],
    computes: Mapping[str, Compute],
    emit: Emit,
) -> Mapping[str, PhaseInput]:
    """Return the feed of each phase. A backbone that isn't a function of its pictures, or a
    classifier that isn't linear, is fed pictures in phase head too, with a warning."""
    train = loaders[0].dataset
    order = EpochOrder(config, train.labels)

    def image_input(phase: str) -> PhaseInput:
        loss = training_loss(config, phase, train, computes[phase].device)
        return PhaseInput(net, *loaders, computes[phase], order, loss, net)

    mix = make_mixup(config.phases.full, train.classes, net.normalize)
    full = replace(image_input("full"), mix=mix)
    if config.compile:
        full = replace(full, net=torch.compile(net))
    return {"head": _head_input(config, net, loaders, image_input("head"), emit), "full": full}


def _head_input(
    config: Config,
    net: NormalizedModel,
    loaders: tuple[Loader, Loader],
    pictures: PhaseInput,
    emit: Emit,
) -> PhaseInput:
    compute = pictures.compute
    if config.phases.head.epochs == 0:
        return pictures
    compute.place_model(net)
    reason = _why_not(config, net, compute)
    if reason:
        text = f"phase head computes its features anew in every epoch: {reason}"
        emit(Warned(code="features", message=text))
        return pictures
    return _feature_input(config, net, loaders, pictures)


def _why_not(config: Config, net: NormalizedModel, compute: Compute) -> str:
    model = net.model
    if not isinstance(model.get_classifier(), nn.Linear):  # type: ignore[operator]
        return "the classifier of this model isn't a linear layer"
    train_mode(model, frozen=True)
    side = config.data.image_size
    generator = torch.Generator().manual_seed(0)
    pictures = compute.place_images(torch.randn(2, 3, side, side, generator=generator))
    with compute.autocast():
        same = is_deterministic(FrozenBackbone(net), pictures)
    return "" if same else "its frozen backbone gives other features for the same picture"


def _feature_input(
    config: Config,
    pixel_net: NormalizedModel,
    loaders: tuple[Loader, Loader],
    of_pictures: PhaseInput,
) -> PhaseInput:
    model, net, compute = pixel_net.model, FrozenBackbone(pixel_net), of_pictures.compute
    train, val = loaders
    group = train.group
    views = config.phases.head.views
    common = {
        "weights": weights_digest(model, head_names(model)),
        "model": config.model.name,
        "compute": (compute.device.type, compute.name, compute.bf16, compute.channels_last),
        "normalize": (pixel_net.mean.flatten().tolist(), pixel_net.std.flatten().tolist()),
        "versions": [version(package) for package in _FEATURE_PACKAGES],
        # A batch in other shares comes out otherwise in the last bits.
        **({"ranks": group.size, "in_pairs": group.paired_sharding} if group.size > 1 else {}),
    }

    def feature_loader(pictures: Loader, part: str, views: int) -> FeatureLoader:
        about = {**common, "part": part, "batch_size": pictures.batch_size}
        open_store = partial(_open_store, config, net, pictures.dataset, about)
        order = partial(of_pictures.order, "head") if part == "train" else None
        return FeatureLoader(pictures, net, views, order, open_store, compute.device)

    train_source = feature_loader(train, "train", views) if views else train
    return replace(of_pictures, net=net, train=train_source, val=feature_loader(val, "val", 1))


def _open_store(
    config: Config,
    net: FrozenBackbone,
    dataset: ImageDataset,
    common: Mapping[str, object],
    view: int,
) -> FeatureStore:
    """Open what is kept of one view of a side of the data."""
    name = feature_cache_name(
        **common,
        view=view,
        seed=config.seed,
        transform=str(dataset.plain if view == 0 else dataset.transform),
        reduced=dataset.image_cache.short if dataset.image_cache else None,
        background=dataset.background,
        contents=list(zip(dataset.hashes, dataset.labels, strict=True)),
    )
    count, width = len(dataset), net.classifier.in_features
    folder = allocate_entry("features", name, 4 * count * (width + 1), config.cache.max_gb)
    return FeatureStore(folder, count, width)
