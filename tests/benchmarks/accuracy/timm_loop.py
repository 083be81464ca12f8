"""timm's usual fine-tuning: a plain loop with the functions and defaults of its train.py.

All layers are trained from the start, with AdamW, layer-wise decay of the learning rate, a cosine
schedule with one warm-up epoch, label smoothing and an average of the weights, which is validated.
"""

from pathlib import Path

import timm
import torch
from timm.data import create_loader, resolve_data_config
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.utils import ModelEmaV3, random_seed
from torch import nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder

from core.config.phases import FULL
from core.model.build import load_weights
from tests.benchmarks.accuracy.task import Meter, Outcome, Task
from tests.benchmarks.peers.recipe import hits


def train(task: Task) -> Outcome:
    """Train with the learning rate of timm's ConvNeXt recipes for fine-tuning small data sets."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    random_seed(task.seed)
    train_set, val_set = (ImageFolder(str(Path(task.data, split))) for split in ("train", "val"))
    task.check_images(len(train_set), len(val_set))
    model = timm.create_model(task.model, num_classes=len(train_set.classes), drop_path_rate=0.1)
    if task.weights:
        load_weights(model, Path(task.weights))
    model.to(device)
    about = resolve_data_config({"input_size": (3, task.image_size, task.image_size)}, model=model)
    common = {key: about[key] for key in ("input_size", "mean", "std", "crop_pct", "crop_mode")}
    common |= {"batch_size": task.whole_batch, "num_workers": task.workers, "use_prefetcher": False}
    common |= {"persistent_workers": task.workers > 0}
    train_loader = create_loader(train_set, is_training=True, interpolation="random", **common)
    val_loader = create_loader(val_set, interpolation=about["interpolation"], **common)
    optimizer = create_optimizer_v2(model, opt="adamw", lr=1e-3, weight_decay=0.05, layer_decay=0.8)
    scheduler, _ = create_scheduler_v2(
        optimizer,
        sched="cosine",
        num_epochs=task.epochs,
        warmup_epochs=min(1, task.epochs // 2),
        step_on_epochs=False,
        updates_per_epoch=len(train_loader),
    )
    loss_of = LabelSmoothingCrossEntropy(0.1)
    ema = ModelEmaV3(model, decay=0.9998, use_warmup=True)  # train.py's --model-ema-warmup
    updates = 0
    meter = Meter()
    meter.phase_started(FULL)
    for _ in range(task.epochs):
        model.train()
        for images, labels in train_loader:
            optimizer.zero_grad()
            loss_of(model(images.to(device)), labels.to(device)).backward()
            optimizer.step()
            updates += 1
            ema.update(model, step=updates)
            scheduler.step_update(updates)
        meter.epoch_ended(validate(ema.module, val_loader, device))
    return meter.outcome


@torch.inference_mode()
def validate(model: nn.Module, loader: DataLoader, device: torch.device) -> float:
    """Return the accuracy."""
    model.eval()
    right = total = 0
    for images, labels in loader:
        right += int(hits(model(images.to(device)), labels.to(device)))
        total += len(labels)
    return right / total
