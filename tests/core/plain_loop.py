"""Phase full as a plain PyTorch loop: what a new option must equal."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from core.common.seeds import derive_seed
from core.config.schema import Config
from core.data.assign import SplitOptions
from core.data.loading.dataset import Batch
from core.data.loading.loader import make_datasets, make_loaders
from core.data.loading.order import epoch_order
from core.data.split import plan_data
from core.model.build import build_model, model_data_config

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]


def adamw(config: Config) -> MakeOptimizer:
    """Return the optimizer of the preset `default`, of torch."""
    full = config.phases.full
    return lambda parameters: torch.optim.AdamW(
        parameters, lr=full.lr, weight_decay=full.weight_decay
    )


def train_plainly(
    config: Config,
    *,
    make_optimizer: MakeOptimizer | None = None,
    prepare: Callable[[nn.Module], object] = lambda model: None,
    on_epoch: Callable[[nn.Module, int], object] = lambda model, epoch: None,
    on_batch: Callable[[int, Batch], object] = lambda seed, batch: None,
    dtype: torch.dtype | None = None,
) -> list[tuple[float, float]]:
    """Return the training and the validation loss of each epoch, at a constant learning rate.

    `prepare` may change the new model, `on_epoch` is called at the start of each epoch, `on_batch`
    with the seed of each step. With a `dtype` the network computes in it, with torch's GradScaler.
    """
    plan = plan_data(Path(config.data.root or ""), SplitOptions(0.2, config.seed))
    assert plan is not None
    model, _ = build_model(config.model, len(plan.classes), config.seed)
    data_config = model_data_config(model)
    datasets = make_datasets(config, plan, data_config)
    train, val = make_loaders(datasets, config.data.step_images, 0, torch.device("cpu"))
    mean, std = (torch.tensor(data_config[name])[:, None, None] for name in ("mean", "std"))
    prepare(model)
    optimizer = (make_optimizer or adamw(config))(model.parameters())
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12, enabled=dtype is not None)

    def logits(images: Tensor) -> Any:
        with torch.autocast("cpu", dtype=dtype, enabled=dtype is not None):
            return model((images / 255 - mean) / std).float()

    losses = []
    for epoch in range(1, config.phases.full.epochs + 1):
        model.train()
        on_epoch(model, epoch)
        total, seen = 0.0, 0
        order = epoch_order(len(plan.train), config.seed, "full", epoch)
        first_seed = derive_seed(config.seed, "step", "full", epoch)
        for step, batch in enumerate(train.epoch("full", epoch, order)):
            on_batch(first_seed + step, batch)
            optimizer.zero_grad()
            loss = F.cross_entropy(logits(batch.images), batch.labels)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), config.clip_grad_norm or torch.inf)
            scaler.step(optimizer)
            scaler.update()
            total, seen = total + loss.item() * len(batch.labels), seen + len(batch.labels)
        model.eval()
        val_total = 0.0
        with torch.no_grad():
            for batch in val.epoch("full", epoch):
                val_loss = F.cross_entropy(logits(batch.images), batch.labels)
                val_total += val_loss.item() * len(batch.labels)
        losses.append((total / seen, val_total / len(plan.val)))
    return losses
