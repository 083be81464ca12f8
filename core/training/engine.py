"""The two phases: fit -> phase -> epoch -> step, as plain code from top to bottom.

With several ranks each goes through the same code with its share of every batch. They come
together in `_steer`, before each step and after each validation pass; what else they do together
follows on that, with nothing in between that can fail.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from core.common.seeds import derive_seed
from core.config.schema import Config
from core.data.loading.dataset import Batch, LoaderError
from core.data.loading.loader import EVAL_BATCH_FACTOR
from core.distributed.process_group import SINGLE_PROCESS, ProcessGroup, StepMessage
from core.events.commands import Mailbox
from core.events.emitter import Emit
from core.events.types import Preparing, RunEnded
from core.model.build import copy_frozen, copy_weights, freeze_backbone, train_mode, unfreeze
from core.model.ema import make_ema
from core.run.early_stopping import EarlyStopping
from core.run.history_csv import History
from core.training import event_factory as reports
from core.training import micro_batches as parts
from core.training.checkpoints.disk_health import DiskHealth, NullDiskHealth
from core.training.checkpoints.writer import CheckpointWriter
from core.training.evaluation_metrics import EvaluationMetrics
from core.training.command_handler import CommandHandler, PhaseEnd
from core.training.features.loader import BatchSource, PhaseInput
from core.training.gradients import GradientComputer
from core.training.lr_schedule import LrSchedule
from core.training.metrics import PassResult, RunningMetrics, cross_entropy
from core.training.micro_batches import ForwardResult
from core.training.optimizers import build_optimizer, step_if_finite
from core.training.sample_sheet import SampleSheetWriter
from core.training.step_log import StepLog
from core.training.stopwatch import Stopwatch
from core.training.throughput import ThroughputMeter
from core.training.train_state import Best, TrainState


class Engine:
    """Trains a model in the phases of a configuration, tells of it, and can be steered.

    It owns the model from its making on and runs in one thread; `mailbox` is the only way in,
    `emit` the only way out.
    """

    def __init__(
        self,
        config: Config,
        model: nn.Module,
        phase_inputs: Mapping[str, PhaseInput],
        checkpoints: CheckpointWriter,
        history: History,
        emit: Emit,
        mailbox: Mailbox,
        disk: DiskHealth | NullDiskHealth,
        samples: SampleSheetWriter,
        fingerprint: str = "",
        changes: Mapping[str, Any] = {},
        group: ProcessGroup = SINGLE_PROCESS,
    ) -> None:
        """`model` stands on its device already; `phase_inputs` are what each phase trains on. `config`
        has numbers for what was left to this program."""
        self.group = group
        self.config = config
        self.model = model
        self.phase_inputs = phase_inputs
        self.checkpoints = checkpoints
        self.history = history
        self.emit = emit
        self.watch = Stopwatch()
        self.steering = CommandHandler(mailbox, emit, self.save_manual, self.watch, disk, group)
        self.fingerprint = fingerprint
        self.changes = changes
        self.best: Best | None = None
        self.global_step = 0
        self.samples = samples
        self.unreadable: set[str] = set()
        self.evaluation = EvaluationMetrics([])
        """The last validation pass, until it is told of."""
        self.failure = ""
        """Why the run can't go on."""
        self.evaluated = EVAL_BATCH_FACTOR
        """How many parts of training an evaluation takes at once, while the memory holds them."""
        self.meter = ThroughputMeter()
        self.log = StepLog(config, phase_inputs, emit)
        self.gradients = GradientComputer(config, group, emit)
        self.phase_began = self.epoch_began = 0.0

    def fit(self, saved: Mapping[str, Any] | None = None) -> RunEnded:
        """Train all phases; returns how the run ended. `saved` is a checkpoint's `train_state` to
        go on from; the model has its weights already."""
        outcome, reason = "finished", "all phases done"
        state = self.restore(saved) if saved is not None else None
        for phase in self.config.phases.left(state.phase if state else None):
            state = state if state is not None and state.phase == phase else self.begin_phase(phase)
            try:
                end = self.fit_phase(state)
            except LoaderError as error:
                end = self._fail(state, str(error))
                self.save_last(state)
            if not self.steering.wait_until_written(state, patient=end is not PhaseEnd.STOPPED):
                end = PhaseEnd.STOPPED
            if end is PhaseEnd.STOPPED:
                outcome, reason = "stopped", self.steering.stop_reason
                break
            if end is PhaseEnd.FAILED:
                outcome, reason = "failed", self.failure or self.steering.failure
                break
        return reports.run_ended(outcome, reason, self.best, self.watch.seconds)

    def fit_phase(self, state: TrainState) -> PhaseEnd:
        """Train one phase to its end; the model then has the phase's best weights."""
        end = PhaseEnd(state.end) if state.end else None
        while end is None:
            if not state.validation_pending:
                end = self.train_epoch(state)
                if end is not None:
                    break
                state.validation_pending = True
                self.save_last(state)
            result, end = self.validate(state)
            if end is None:
                end = self.finish_epoch(state, result)
        if end in (PhaseEnd.STOPPED, PhaseEnd.FAILED):
            self.save_last(state)
            return end
        state.load_best()
        self._stamp(state)
        self.emit(reports.phase_ended(state, end.value, self.history.epochs(state.phase)))
        return end

    def begin_phase(self, phase: str) -> TrainState:
        """Freeze or thaw, and make the phase's own optimizer, scheduler and stopper."""
        state = self.new_state(phase)
        config = self.config.phases.get(phase)
        feed = self.phase_inputs[phase]
        self.emit(reports.phase_started(state, config, feed.train.steps, feed.val.steps))
        if self.config.compile and phase == "full":
            self.emit(Preparing(stage="compiling the network"))
        return state

    def restore(self, saved: Mapping[str, Any]) -> TrainState:
        """Return the state that a checkpoint holds, to go on from exactly there."""
        state = self.new_state(str(saved["phase"]))
        state.restore(saved)
        if state.fingerprint != self.fingerprint:
            # The epoch's batches are others by now: it begins anew.
            state.fingerprint, state.step, state.validation_pending = self.fingerprint, 0, False
            state.metrics = RunningMetrics()
        state.change(self.config.phases.get(state.phase), self.changes)
        self.best, self.global_step = state.best, state.global_step
        self.watch.add(state.run_seconds)
        self.phase_began = self.watch.seconds - state.phase_seconds
        self.epoch_began = self.watch.seconds - state.epoch_seconds
        self.checkpoints.repair_best(state)
        if state.end in (PhaseEnd.EPOCHS, PhaseEnd.EARLY_STOPPING) and self.changes:
            end = self._verdict(state, state.epoch - 1)
            state.end = end.value if end else None
        return state

    def new_state(self, phase: str) -> TrainState:
        """Return the state at the beginning of a phase, with the model frozen or thawed for it."""
        config = self.config.phases.get(phase)
        parameters = (freeze_backbone if phase == "head" else unfreeze)(self.model)
        optimizer = build_optimizer(config, parameters, self.model)
        feed = self.phase_inputs[phase]
        feed.compute.place_model(self.model)
        self.gradients.begin(feed)
        self.phase_began = self.epoch_began = self.watch.seconds
        return TrainState(
            phase=phase,
            epoch=1,
            step=0,
            global_step=self.global_step,
            validation_pending=False,
            model=self.model,
            parameters=parameters,
            optimizer=optimizer,
            schedule=LrSchedule(config, optimizer, feed.train.steps),
            stopping=EarlyStopping(config.early_stopping.patience, config.early_stopping.min_delta),
            metrics=RunningMetrics(),
            part_size=self.config.data.micro_batch_size or self.config.data.step_images,
            best=self.best,
            fingerprint=self.fingerprint,
            averaged=make_ema(self.config, phase, feed.pixels),
            frozen=copy_frozen(self.model) if phase == "head" else {},
            start_weights=copy_weights(self.model) if self.config.nonfinite == "rollback" else {},
        )

    def train_epoch(self, state: TrainState) -> PhaseEnd | None:
        """One training pass with running metrics. Returns why the phase ends, if it does."""
        train_mode(self.model, frozen=state.phase == "head")
        train = self.phase_inputs[state.phase].train
        order = self.phase_inputs[state.phase].order(state.phase, state.epoch)
        end = self.compute_missing_features(state)
        if end is not None:
            return end
        # On a CPU the figures of a step cost no waiting; a GPU's are read with the next progress.
        is_cheap = self.phase_inputs[state.phase].compute.device.type == "cpu"
        # Dropout and stochastic depth draw from here: keyed, so that nothing shifts them.
        first_seed = derive_seed(self.config.seed, "step", state.phase, state.epoch)
        self.meter = ThroughputMeter()
        for batch in train.epoch(state.phase, state.epoch, order, state.step):
            self.meter.data_arrived()
            end = self._steer(state, batch)
            if end is not None:
                return end
            self._warn_of_unreadable(batch, train)
            self.samples.save(state, batch, train)
            self.step(state, batch, first_seed + state.step)
            self.meter.step_done(self.group.step_images)
            has_looked = is_cheap or self.log.is_full
            if has_looked:
                self.log.look(state, self.meter)
            has_told = self._tell_progress(state, "train", state.step, train.steps, state.metrics)
            if has_looked or has_told:
                self.failure = self.failure or self.log.verdict(state)
            if self.failure:
                return PhaseEnd.FAILED
            self.meter.next_step()
        return None

    def compute_missing_features(self, state: TrainState) -> PhaseEnd | None:
        """Put the pictures through the network whose features an earlier epoch left and that are
        gone since, as after a resume without the cache."""
        train = self.phase_inputs[state.phase].train
        for done, batch in enumerate(train.missing(state.phase, state.epoch)):
            self.emit(Preparing(stage="computing features", done=done, total=train.steps))
            if self.logits(state, batch) is None:
                return self._fail(state, self.failure)
            # After it: what the last batch came to is exchanged as soon as the loop asks for more.
            end = self._steer(state)
            if end is not None:
                return end
        return self._steer(state) if self.group.size > 1 else None

    def step(self, state: TrainState, batch: Batch, seed: int) -> None:
        """One training step, but for a batch of which nothing could be read.

        What the network draws at random depends on `seed`. Nothing here waits for the device:
        whether loss and gradient are finite is judged there.
        """
        if self.group.step_images:
            forwarded = self.gradients.of(state, batch, seed)
            self.failure = self.gradients.failure
            if self.failure:
                return
            self._update(state, forwarded)
        state.advance()
        self.global_step = state.global_step

    def _update(self, state: TrainState, forwarded: ForwardResult | None) -> None:
        """Take the step that the gradients ask for, and note what it came to."""
        clip = self.config.clip_grad_norm or math.inf
        norm = nn.utils.clip_grad_norm_(state.parameters, clip)
        if forwarded is not None and self.group.size == 1:
            figures = torch.stack([forwarded.loss, norm])
            self.log.add(state.step + 1, forwarded, figures)
        else:
            loss, *found = self.group.all_reduce_sum(
                parts.figures(forwarded, self.group.size, norm.device)
            )
            figures = torch.stack([loss, norm, *found])
            self.log.add_shared(state.step + 1, self.group.step_images, figures)
        step_if_finite(state.optimizer, figures[:2])
        if state.averaged:
            state.averaged.update(state.phase_step + 1)

    def validate(self, state: TrainState) -> tuple[PassResult, PhaseEnd | None]:
        """One validation pass. The result is whole only if no end comes with it."""
        state.validation_pending = True
        self.group.sync_buffers(self.model)
        if state.averaged:
            self.group.sync_buffers(state.averaged.net)
        self.model.eval()
        val = self.phase_inputs[state.phase].val
        metrics = self.evaluation = EvaluationMetrics(val.dataset.paths)
        meter, self.meter = self.meter, ThroughputMeter()
        for step, batch in enumerate(val.epoch(state.phase, state.epoch), 1):
            self.meter.data_arrived()
            end = self._steer(state, batch)
            if end is not None:
                return metrics.result(), end
            self._warn_of_unreadable(batch, val)
            self.validation_step(state, batch, metrics)
            self.meter.step_done(self.group.step_images)
            self._tell_progress(state, "val", step, val.steps, metrics)
            if self.failure:
                return metrics.result(), self._fail(state, self.failure)
            self.meter.next_step()
        self.meter = meter
        if self.group.size > 1:
            end = self._steer(state)
            if end is not None:
                return metrics.result(), end
        metrics.gather(self.group)
        return metrics.result(), None

    def validation_step(self, state: TrainState, batch: Batch, metrics: EvaluationMetrics) -> None:
        """Evaluate one batch, but for one of which nothing could be read."""
        logits = self.logits(state, batch) if len(batch.labels) else None
        if logits is not None:
            labels = batch.labels.to(logits.device, non_blocking=True)
            loss = cross_entropy(logits, labels)
            metrics.add_images(loss, logits, labels, batch.indices)

    def logits(self, state: TrainState, batch: Batch) -> Tensor | None:
        """Return the logits of a batch, in parts where the memory is too small for it at once;
        None when it is too small for a single picture."""
        feed = self.phase_inputs[state.phase]
        net = state.averaged.net if state.averaged else feed.net
        while len(batch.labels):
            try:
                size = self.evaluated * state.part_size
                return parts.forward(net, feed.compute, batch.images, size)
            except torch.cuda.OutOfMemoryError:
                too_many = self.evaluated > 1
                self.evaluated = 1
            if not too_many:
                self.failure = self.gradients.halve_micro_batch(state)
                if self.failure:
                    return None
        return torch.empty(0)

    def finish_epoch(self, state: TrainState, val: PassResult) -> PhaseEnd | None:
        """Give the verdicts, tell, save. Returns why the phase ends, if it does."""
        lr = state.lr
        state.schedule.judge(val.loss, state.phase_step)
        state.stopping = state.stopping.update(val.loss)
        this = Best(state.phase, state.epoch, val.top1, val.top5, val.loss)
        phase_best, best = this.beats(state.phase_best), this.beats(state.best)
        if phase_best:
            state.set_best(this)
        if best:
            state.best = self.best = this
        self._stamp(state)
        train = state.metrics.result()
        event = reports.epoch_ended(state, train, val, lr, best, phase_best, self.meter)
        end = self._verdict(state, state.epoch)
        state.end = end.value if end else None
        state.epoch, state.step, state.validation_pending = state.epoch + 1, 0, False
        state.metrics = RunningMetrics()
        self.epoch_began = self.watch.seconds

        self.emit(event)
        self.evaluation.tell(state.phase, event.epoch, self.emit)
        self.history.add(event)
        if phase_best:
            self.checkpoints.save_best(state)
        self.save_last(state)
        return end

    def save_last(self, state: TrainState) -> None:
        """Have the state written as the checkpoint to go on from."""
        self._stamp(state)
        self.checkpoints.save_last(state)

    def save_manual(self, state: TrainState) -> str:
        """Have the state written as a checkpoint of its own; returns the file's name."""
        self._stamp(state)
        return self.checkpoints.save_manual(state)

    def _stamp(self, state: TrainState) -> None:
        """Bring up to date what the state tells of the past."""
        self.log.look(state, self.meter)
        state.run_seconds = self.watch.seconds
        state.phase_seconds = self.watch.seconds - self.phase_began
        state.epoch_seconds = self.watch.seconds - self.epoch_began

    def _verdict(self, state: TrainState, epochs_done: int) -> PhaseEnd | None:
        if epochs_done >= self.config.phases.get(state.phase).epochs:
            return PhaseEnd.EPOCHS
        return PhaseEnd.EARLY_STOPPING if state.stopping.exhausted else None

    def _steer(self, state: TrainState, batch: Batch | None = None) -> PhaseEnd | None:
        if self.checkpoints.seconds_since_last() >= 60 * self.config.checkpoint.every_minutes:
            self.save_last(state)
        before = self.watch.total_paused
        pictures = 0 if batch is None else batch.labels.shape[0]
        end = self.steering.handle_commands(state, pictures, self._is_due)
        self.meter.skip(self.watch.total_paused - before)
        return end

    def _is_due(self) -> bool:
        return self.meter.due(self.watch.seconds)

    def _fail(self, state: TrainState, reason: str) -> PhaseEnd:
        """Let all ranks know at their next step why this one can't go on."""
        self.failure = reason
        self.group.sync_step(StepMessage(failure=reason))
        return PhaseEnd.FAILED

    def _warn_of_unreadable(self, batch: Batch, source: BatchSource) -> None:
        for place, reason in batch.failed:
            path = source.dataset.paths[place]
            if path not in self.unreadable:
                self.unreadable.add(path)
                self.emit(reports.unreadable_file(path, reason))

    def _tell_progress(
        self, state: TrainState, stage: str, step: int, steps: int, metrics: RunningMetrics
    ) -> bool:
        """Tell of progress if it is time; returns whether it was."""
        if step not in (1, steps) and not self.group.is_due(self._is_due):
            return False
        self._stamp(state)
        result = metrics.global_result(self.group)
        self.emit(reports.progress(state, stage, step, steps, result, self.meter))
        for event in self.group.gather_events():
            self.emit(event)
        return True
