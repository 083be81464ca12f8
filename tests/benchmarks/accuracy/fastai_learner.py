"""fastai's usual fine-tuning: vision_learner with a timm model, its own head, and fine_tune.

One epoch with a frozen body, then all layers with discriminative learning rates, at the defaults.
"""

import fastai.callback.progress
import fastai.callback.schedule  # noqa: F401  adds methods to Learner, as the line above
import torch
from fastai.callback.core import Callback
from fastai.data.transforms import Normalize
from fastai.learner import Learner
from fastai.metrics import accuracy
from fastai.torch_core import set_seed
from fastai.vision.augment import Resize, aug_transforms
from fastai.vision.data import ImageDataLoaders
from fastai.vision.learner import vision_learner

from core.config.phases import FULL, HEAD
from core.config.schema import ModelConfig
from core.model.build import build_model
from tests.benchmarks.accuracy.task import Meter, Outcome, Task


class Watching(Callback):
    """Measures each epoch after the Recorder has its accuracy."""

    order = 60

    def __init__(self, meter: Meter) -> None:
        self.meter = meter

    def before_fit(self) -> None:
        self.meter.phase_started(FULL if self.meter.outcome else HEAD)

    def after_epoch(self) -> None:
        self.meter.epoch_ended(float(self.learn.recorder.values[-1][-1]))


def train(task: Task) -> Outcome:
    """Train with fine_tune at its default learning rate."""
    set_seed(task.seed, reproducible=True)
    learner = make_learner(task)
    meter = Meter()
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(task.epochs, cbs=[Watching(meter)])
    return meter.outcome


def make_learner(task: Task) -> Learner:
    """Return the learner; its body has the task's weights, as if timm had downloaded them."""
    loaders = ImageDataLoaders.from_folder(
        task.data,
        train="train",
        valid="val",
        item_tfms=Resize(task.image_size),
        batch_tfms=aug_transforms(),
        bs=task.whole_batch,
        num_workers=task.workers,
        seed=task.seed,
    )
    task.check_images(len(loaders.train_ds), len(loaders.valid_ds))
    if task.weights is None:
        learner = vision_learner(loaders, task.model, pretrained=False, metrics=accuracy)
        about = learner.model[0].model.pretrained_cfg
        loaders.add_tfms([Normalize.from_stats(about["mean"], about["std"])], "after_batch")
        return learner
    given = {"state_dict": _pretrained(task)}
    return vision_learner(loaders, task.model, metrics=accuracy, pretrained_cfg_overlay=given)


def _pretrained(task: Task) -> dict[str, torch.Tensor]:
    """Return the backbone's weights in timm's names."""
    model, report = build_model(
        ModelConfig(name=task.model, pretrained=False, weights=task.weights), 1, task.seed
    )
    assert not report.missing, f"the file lacks weights of the backbone: {report.missing}"
    return model.state_dict()
