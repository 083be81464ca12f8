"""Build the input of each phase: images, or in phase head the features of a frozen backbone."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version

import torch
from torch import nn

from core.common.cache import allocate_entry
from core.config.phases import FULL, HEAD
from core.config.schema import Config
from core.data.decode import DECODERS
from core.data.loading.dataset import ImageDataset
from core.data.loading.loader import Loader
from core.data.loading.order import EpochOrder
from core.data.value_range import cache_key
from core.events.emitter import Emit
from core.events.types import Warned
from core.model.build import head_names, train_mode
from core.model.device import Compute
from core.model.keyed_dropout import DropoutKeys
from core.model.normalize import NormalizedModel
from core.training.features.frozen_backbone import (
    FrozenBackbone,
    is_deterministic,
    weights_digest,
)
from core.training.features.loader import FeatureLoader
from core.training.features.store import FeatureStore, feature_cache_name
from core.training.losses import training_loss
from core.training.mixup import make_mixup
from core.training.phase_input import PhaseInput

_FEATURE_PACKAGES = ("torch", "torchvision", "timm", "pillow")


def make_phase_inputs(
    config: Config,
    net: NormalizedModel,
    loaders: tuple[Loader, Loader],
    computes: Mapping[str, Compute],
    dropout: DropoutKeys,
    emit: Emit,
) -> Mapping[str, PhaseInput]:
    """Return the input of each phase; `dropout` are the keys of the network's dropout layers.

    Phase head trains on images, with a warning, if the backbone isn't deterministic or the
    classifier isn't linear.
    """
    train = loaders[0].dataset
    order = EpochOrder(config, train.labels)

    def image_input(phase: str) -> PhaseInput:
        loss = training_loss(config, phase, train, computes[phase].device)
        return PhaseInput(net, *loaders, computes[phase], order, loss, net, dropout)

    mixer = make_mixup(config.phases.full, train.classes, net.normalize)
    full = replace(image_input(FULL), mixer=mixer)
    if config.compile:
        full = replace(full, net=torch.compile(net))
    return {HEAD: _head_input(config, net, loaders, image_input(HEAD), emit), FULL: full}


def _head_input(
    config: Config,
    net: NormalizedModel,
    loaders: tuple[Loader, Loader],
    images: PhaseInput,
    emit: Emit,
) -> PhaseInput:
    compute = images.compute
    if config.phases.head.epochs == 0:
        return images
    compute.place_model(net)
    obstacle = _obstacle_to_caching(config, net, compute)
    if obstacle:
        text = f"phase head can't cache features and computes them in every epoch: {obstacle}"
        emit(Warned(code="features", message=text))
        return images
    return _feature_input(config, net, loaders, images)


def _obstacle_to_caching(config: Config, net: NormalizedModel, compute: Compute) -> str:
    model = net.model
    if not isinstance(model.get_classifier(), nn.Linear):  # type: ignore[operator]
        return "the classifier of this model isn't a linear layer"
    train_mode(model, frozen=True)
    side = config.data.image_size
    generator = torch.Generator().manual_seed(0)
    images = compute.place_images(torch.randn(2, 3, side, side, generator=generator))
    with compute.autocast():
        same = is_deterministic(FrozenBackbone(net), images)
    return "" if same else "the frozen backbone is not deterministic"


def _feature_input(
    config: Config, image_net: NormalizedModel, loaders: tuple[Loader, Loader], images: PhaseInput
) -> PhaseInput:
    model, net, compute = image_net.model, FrozenBackbone(image_net), images.compute
    train, val = loaders
    group = train.group
    views = config.phases.head.views
    common = {
        "weights": weights_digest(model, head_names(model)),
        "model": config.model.name,
        "compute": (compute.device.type, compute.name, compute.precision, compute.channels_last),
        "normalize": (image_net.mean.flatten().tolist(), image_net.std.flatten().tolist()),
        "versions": [version(package) for package in _FEATURE_PACKAGES],
        "decoders": DECODERS,
        # Vector instructions: machines of a cluster may share a cache and differ in them.
        "cpu": torch.backends.cpu.get_cpu_capability() if compute.device.type == "cpu" else "",
        # Features of a batch in other shards differ in the last bits.
        **({"ranks": group.size, "in_pairs": group.paired_sharding} if group.size > 1 else {}),
    }

    def feature_loader(loader: Loader, part: str, views: int) -> FeatureLoader:
        depends_on = {**common, "part": part, "batch_size": loader.batch_size}
        open_store = partial(_open_store, config, net, loader.dataset, depends_on)
        order = partial(images.order, HEAD) if part == "train" else None
        return FeatureLoader(loader, net, views, order, open_store, compute.device)

    train_source = feature_loader(train, "train", views) if views else train
    return replace(images, net=net, train=train_source, val=feature_loader(val, "val", 1))


def _open_store(
    config: Config,
    net: FrozenBackbone,
    dataset: ImageDataset,
    common: Mapping[str, object],
    view: int,
) -> FeatureStore:
    """Open the feature cache of one view of a split."""
    min_scale = config.data.augment.min_scale
    name = feature_cache_name(
        **common,
        view=view,
        seed=config.seed,
        transform=str(dataset.plain if view == 0 else dataset.transform),
        # timm writes it with four decimals. Left out where they suffice, as in earlier versions.
        **({"min_scale": min_scale} if view and round(min_scale, 4) != min_scale else {}),
        reduced=dataset.image_cache.short if dataset.image_cache else None,
        background=dataset.background,
        # Left out without deep images: the names of earlier runs stay.
        **({"value_ranges": cache_key(ranges)} if (ranges := dataset.value_ranges) else {}),
        contents=list(zip(dataset.hashes, dataset.labels, strict=True)),
    )
    count, width = len(dataset), net.classifier.in_features
    folder = allocate_entry("features", name, 4 * count * (width + 1), config.cache.max_gb)
    return FeatureStore(folder, count, width)
