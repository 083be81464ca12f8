"""What training steps came to, looked at now and then: reading a number waits for the device."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from core.config.schema import Config
from core.events.emitter import Emit
from core.training import event_factory as reports
from core.training.features.loader import PhaseInput
from core.training.metrics import MAX_PENDING_LOGITS
from core.training.micro_batches import ForwardResult
from core.training.throughput import ThroughputMeter
from core.training.train_state import MAX_ROLLBACKS, TrainState


class _Step(NamedTuple):
    number: int
    figures: Tensor
    """Loss, gradient norm and, where `forwarded` doesn't tell, hits of the highest logit and of the
    highest five: (2,) or (4,), on the device."""
    forwarded: ForwardResult | None
    pictures: int


class StepLog:
    """Keeps the figures of steps on the device until they are looked at, then counts and warns."""

    def __init__(self, config: Config, phase_inputs: Mapping[str, PhaseInput], emit: Emit) -> None:
        self._config = config
        self._feeds = phase_inputs
        self._emit = emit
        self._unseen: list[_Step] = []
        self._values = 0

    @property
    def is_full(self) -> bool:
        """Whether so much waits on the device that it is time to look."""
        return self._values > MAX_PENDING_LOGITS

    def add(self, number: int, forwarded: ForwardResult, figures: Tensor) -> None:
        """Note a step by its loss and gradient norm (2,); it was taken if both are finite."""
        self._unseen.append(_Step(number, figures, forwarded, len(forwarded.labels)))
        self._values += forwarded.logits.numel()

    def add_shared(self, number: int, pictures: int, figures: Tensor) -> None:
        """Note a step of several ranks by its loss, gradient norm, and hits of the highest logit
        and of the highest five (4,), over all of its `pictures`."""
        self._unseen.append(_Step(number, figures, None, pictures))

    def look(self, state: TrainState, meter: ThroughputMeter) -> None:
        """Read the steps since the last look: count those that were taken, warn of the others
        with the files of their batch."""
        if not self._unseen:
            return
        unseen, self._unseen, self._values = self._unseen, [], 0
        for step, (loss, norm, *hits) in zip(unseen, _read(unseen), strict=True):
            meter.saw(loss, norm)
            if math.isfinite(loss) and math.isfinite(norm):
                state.nonfinite_steps = 0
                if step.forwarded is not None:
                    state.metrics.count(loss, step.forwarded.logits, step.forwarded.labels)
                else:
                    state.metrics.add_counts(loss, step.pictures, *hits)
                continue
            state.nonfinite_steps += 1
            files = self._files(state, step.number)
            self._emit(reports.nonfinite_step(state, step.number, loss, norm, files))

    def _files(self, state: TrainState, number: int) -> list[str]:
        """Return the files of a step's global batch: other ranks' shares are not at hand here."""
        feed, size = self._feeds[state.phase], self._config.data.step_images
        places = feed.order(state.phase, state.epoch)[(number - 1) * size : number * size]
        return [feed.train.dataset.paths[place] for place in places]

    def verdict(self, state: TrainState) -> str:
        """Once too many steps in a row could not be taken, go back, or return why the run fails."""
        if not state.nonfinite_steps:
            return ""
        policy = self._config.nonfinite
        limit = 1 if policy == "stop" else self._config.nonfinite_limit
        if state.nonfinite_steps < limit:
            return ""
        if policy == "rollback" and state.rollbacks < MAX_ROLLBACKS:
            origin = state.roll_back(self._config.phases.get(state.phase).scheduler.factor)
            self._emit(reports.rolled_back(state, limit, origin))
            return ""
        steps = f" in {limit} steps in a row" if limit > 1 else ""
        return f"the loss was not finite{steps}"


def _read(steps: list[_Step]) -> list[list[float]]:
    """Return the steps' figures, waiting for a GPU once and not for each."""
    if steps[0].figures.is_cuda:
        return torch.stack([step.figures for step in steps]).tolist()
    return [step.figures.tolist() for step in steps]
