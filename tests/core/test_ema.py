"""Moving average of the weights: its values, where it is used, and that training ignores it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from core.events import commands as cmd
from core.events import types as ev
from core.model.build import copy_weights
from core.training.engine import Engine
from core.training.metrics import cross_entropy
from core.training.train_state import TrainState
from tests.core.engine_kit import same, scores, small_config, train
from tests.core.test_engine import is_first_step
from tests.core.test_faults import NanOutputs
from tests.make_images import make_images

Weights = dict[str, torch.Tensor]
FULL_ONLY = ("phases.head.epochs=0", "phases.full.ema=0.9")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("photos"), classes=3, per_class=10)


class StepWeights:
    """Copies the weights after each step of the optimizer."""

    def __init__(self) -> None:
        self.steps: list[Weights] = []

    def __call__(self, event: ev.Event, engine: Engine, send: object) -> None:
        if isinstance(event, ev.PhaseStarted):
            self.model = engine.model

    def record(self, optimizer: object, args: object, kwargs: object) -> None:
        self.steps.append(copy_weights(self.model))


@pytest.fixture
def after_steps() -> Iterator[StepWeights]:
    weights = StepWeights()
    hook = register_optimizer_step_post_hook(weights.record)
    yield weights
    hook.remove()


@pytest.mark.parametrize("decay", [0.5, 0.99])
def test_best_and_final_weights_of_the_phase_are_the_average(
    decay: float, photos: Path, tmp_path: Path, after_steps: StepWeights
) -> None:
    config = small_config(photos, *FULL_ONLY, f"phases.full.ema={decay}", "phases.full.lr=0.01")
    run = train(config, tmp_path, after_steps, scores(0.5, 0.6))
    average = {name: value.double() for name, value in after_steps.steps[0].items()}
    for steps, weights in enumerate(after_steps.steps[1:], 2):
        share = min(decay, 1 - 1 / steps)
        for name, value in weights.items():
            average[name] = share * average[name] + (1 - share) * value.double()
    for found in (run.weights("best-full.pt"), copy_weights(run.engine.model)):
        for name, value in average.items():
            assert torch.allclose(found[name].double(), value, atol=1e-6), name
    assert not same(run.weights("best-full.pt"), after_steps.steps[-1])


def test_training_continues_with_the_weights_themselves(photos: Path, tmp_path: Path) -> None:
    plain = small_config(photos, "phases.head.epochs=0")
    runs = [
        train(config, tmp_path / str(n), None, scores(0.5, 0.6))
        for n, config in enumerate((plain, small_config(photos, *FULL_ONLY)))
    ]
    assert same(*(run.weights("last.pt") for run in runs))
    assert not same(*(run.weights("best.pt") for run in runs))


def test_validation_uses_only_the_average(photos: Path, tmp_path: Path) -> None:
    evaluated: list[bool] = []

    def watch(event: ev.Event, engine, send: object) -> None:
        if isinstance(event, ev.PhaseStarted):
            engine.model.register_forward_hook(
                lambda *_: evaluated.append(not torch.is_grad_enabled())
            )

    run = train(small_config(photos, *FULL_ONLY), tmp_path, watch)
    assert evaluated and not any(evaluated)
    model = run.engine.model.eval()
    best = run.of(ev.EpochEnded)[run.engine.best.epoch - 1]
    phase_input = run.engine.phase_inputs["full"]
    batch = phase_input.val.load_now("full", 1, list(range(len(phase_input.val.dataset))))
    with torch.inference_mode():
        loss = cross_entropy(model(phase_input.image_net.normalize(batch.images)), batch.labels)
    assert loss.item() == pytest.approx(best.val_loss, rel=1e-5)


def test_a_phase_that_ends_before_validation_has_the_average(
    photos: Path, tmp_path: Path, after_steps: StepWeights
) -> None:
    def act(event: ev.Event, engine: Engine, send: object) -> None:
        after_steps(event, engine, send)
        if is_first_step(event, "full"):
            assert callable(send)
            send(cmd.EndPhase())

    run = train(small_config(photos, *FULL_ONLY), tmp_path, act)
    assert same(copy_weights(run.engine.model), after_steps.steps[0])


def test_a_rollback_resets_the_average(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[bool] = []
    roll_back = TrainState.roll_back

    def noting(self: TrainState, factor: float) -> str:
        origin = roll_back(self, factor)
        assert self.ema is not None
        found.append(same(copy_weights(self.model), self.ema.copy_weights()))
        return origin

    monkeypatch.setattr(TrainState, "roll_back", noting)
    more = ("nonfinite=rollback", "nonfinite_limit=2", "phases.full.ema=0.9", "phases.full.lr=0.01")
    run = train(small_config(photos, *more), tmp_path, NanOutputs({9, 10}))
    assert found == [True]
    assert run.ended.outcome == "finished"
