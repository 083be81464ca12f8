"""fastai's Learner with its own loaders, callbacks and recorder; progress bars and logs are off.

fastai 2.8.12 is the first version met that takes any torch of the 2.x line; older ones cap it.
"""

from functools import partial

from fastai.callback.core import Callback
from fastai.callback.training import GradientClip
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.learner import Learner
from fastai.metrics import accuracy
from fastai.optimizer import OptimWrapper
from torch import nn

from tests.benchmarks.peers.recipe import CLIP_NORM, WORKERS, Outcome, Recipe, Stopwatch, set_up


class Watching(Callback):
    """Notes each epoch's accuracy after the Recorder has it."""

    order = 60

    def __init__(self, watch: Stopwatch) -> None:
        self.watch = watch

    def after_epoch(self) -> None:
        self.watch.epoch_ended(float(self.learn.recorder.values[-1][-1]))


def train(recipe: Recipe) -> Outcome:
    """Train at one learning rate, with persistent workers."""
    setting = set_up(recipe)
    loaders = [
        DataLoader(
            part,
            bs=recipe.batch_size,
            shuffle=part is setting.train,
            num_workers=WORKERS,
            persistent_workers=True,
        )
        for part in (setting.train, setting.val)
    ]
    optimizer = type(recipe.make_optimizer([nn.Parameter()]))
    learner = Learner(
        DataLoaders(*loaders, device="cpu"),
        setting.model,
        loss_func=nn.CrossEntropyLoss(),
        opt_func=partial(OptimWrapper, opt=optimizer),
        metrics=accuracy,
        cbs=[GradientClip(CLIP_NORM)],
    )
    with learner.no_bar(), learner.no_logging():
        watch = Stopwatch()
        learner.fit(recipe.epochs, recipe.lr, wd=recipe.weight_decay, cbs=[Watching(watch)])
        return watch.ended()
