"""The training loop of both phases: fit -> phase -> epoch -> step, from top to bottom.

With several ranks, each runs this code with its shard of every batch. The ranks synchronize in
`_sync_step`, before each step and after each validation pass. Their other collectives directly
follow a synchronization, with nothing between that could fail on one rank only.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from core.common.seeds import derive_seed
from core.config.phases import FULL, PHASES
from core.config.schema import Config
from core.data.loading.dataset import Batch, LoaderError
from core.distributed.process_group import SINGLE_PROCESS, ProcessGroup, StepMessage
from core.events.commands import CommandQueue
from core.events.emitter import Emit
from core.events.types import Preparing, RunEnded
from core.run.history_csv import History
from core.training import event_factory, micro_batches
from core.training.batch_computer import BatchComputer
from core.training.checkpoints.disk_health import DiskHealth, NullDiskHealth
from core.training.checkpoints.writer import CheckpointWriter
from core.training.command_handler import CommandHandler, PhaseEnd
from core.training.evaluation_metrics import EvaluationMetrics
from core.training.metrics import PassResult, RunningMetrics, cross_entropy
from core.training.micro_batches import ForwardResult
from core.training.phase_input import PhaseInput
from core.training.phase_start import set_trained_weights, state_at_start
from core.training.sample_sheet import SampleSheetWriter
from core.training.step_log import StepLog
from core.training.stopwatch import Stopwatch
from core.training.throughput import ThroughputMeter
from core.training.train_state import Best, TrainState
from core.training.unreadable_images import UnreadableImages


class Engine:
    """Trains a model in the phases of a configuration, emits events and applies commands.

    It owns the model and runs in one thread; `command_queue` is its only input, `emit` its only
    output.
    """

    def __init__(
        self,
        *,
        config: Config,
        model: nn.Module,
        phase_inputs: Mapping[str, PhaseInput],
        checkpoints: CheckpointWriter,
        history: History,
        emit: Emit,
        command_queue: CommandQueue,
        disk: DiskHealth | NullDiskHealth,
        samples: SampleSheetWriter,
        fingerprint: str = "",
        changes: Mapping[str, Any] = {},
        group: ProcessGroup = SINGLE_PROCESS,
    ) -> None:
        """`model` is already on its device, and no value of `config` is `auto` any more. `changes`
        are the config keys that were changed on resume."""
        self.group = group
        self.config = config
        self.model = model
        self.phase_inputs = phase_inputs
        self.checkpoints, self.history, self.samples = checkpoints, history, samples
        self.emit = emit
        self.stopwatch = Stopwatch()
        self.commands = CommandHandler(
            command_queue, emit, self.save_manual, self.stopwatch, disk, group
        )
        self.fingerprint = fingerprint
        self.changes = changes
        self.best: Best | None = None
        self.global_step = 0
        self.unreadable = UnreadableImages(emit)
        self.evaluation = EvaluationMetrics([])
        """The last validation pass, until its event is emitted."""
        self.failure = ""
        """Why the run can't continue."""
        self.meter = ThroughputMeter()
        self.step_log = StepLog(config, phase_inputs, emit)
        self.computer = BatchComputer(config, group, emit)
        self.phase_began = self.epoch_began = 0.0

    def fit(self, saved: Mapping[str, Any] | None = None) -> RunEnded:
        """Train all phases; returns how the run ended.

        `saved` is the `train_state` of a checkpoint to resume from, whose weights the model has.
        """
        outcome, reason = "finished", "all phases done"
        state = self.restore(saved) if saved is not None else None
        for phase in self.config.phases.left(state.phase if state else None):
            state = state if state is not None and state.phase == phase else self.begin_phase(phase)
            try:
                end = self.fit_phase(state)
            except LoaderError as error:
                end = self._fail(state, str(error))
                self.save_last(state)
            end = self.commands.wait_until_written(state, retry=end is not PhaseEnd.STOPPED) or end
            if end is PhaseEnd.STOPPED:
                outcome, reason = "stopped", self.commands.stop_reason
                if problem := self.commands.disk_problem:
                    position = self.checkpoints.saved_position
                    outcome, reason = "failed", event_factory.lost_stop(reason, problem, position)
                break
            if end is PhaseEnd.FAILED:
                outcome, reason = "failed", self.failure or self.commands.failure
                break
        if outcome == "finished" and self.best is None and any(map(self.history.epochs, PHASES)):
            outcome, reason = "failed", event_factory.NO_BEST
        return event_factory.run_ended(outcome, reason, self.best, self.stopwatch.seconds)

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
        self._update_record(state)
        self.emit(event_factory.phase_ended(state, end.value, self.history.epochs(state.phase)))
        return end

    def begin_phase(self, phase: str) -> TrainState:
        """Start a phase: freeze or unfreeze the backbone, create optimizer and schedule."""
        state = self.new_state(phase)
        config = self.config.phases.get(phase)
        train, val = self.phase_inputs[phase].train, self.phase_inputs[phase].val
        self.emit(event_factory.phase_started(state, config, train.steps, val.steps))
        if self.config.compile and phase == FULL:
            self.emit(Preparing(stage="compiling the network"))
        return state

    def restore(self, saved: Mapping[str, Any]) -> TrainState:
        """Return the state of a checkpoint, from which training resumes exactly."""
        state = self.new_state(str(saved["phase"]))
        state.restore(saved)
        if state.fingerprint != self.fingerprint:
            # With changed data the epoch has other batches: restart it.
            state.fingerprint, state.step, state.validation_pending = self.fingerprint, 0, False
            state.metrics = RunningMetrics()
        state.apply_changes(self.config.phases.get(state.phase), self.changes)
        self.best, self.global_step = state.best, state.global_step
        self.stopwatch.add(state.run_seconds)
        self.phase_began = self.stopwatch.seconds - state.phase_seconds
        self.epoch_began = self.stopwatch.seconds - state.epoch_seconds
        self.checkpoints.repair_best(state)
        self.checkpoints.saved_position = state.position
        if state.end in (PhaseEnd.EPOCHS, PhaseEnd.EARLY_STOPPING) and self.changes:
            end = self._phase_end(state, state.epoch - 1)
            state.end = end.value if end else None
        return state

    def new_state(self, phase: str) -> TrainState:
        """Return the state at the start of a phase; freezes or unfreezes the backbone."""
        phase_input = self.phase_inputs[phase]
        state = state_at_start(
            self.config,
            phase,
            self.model,
            phase_input,
            best=self.best,
            global_step=self.global_step,
            fingerprint=self.fingerprint,
        )
        self.computer.begin_phase(phase_input)
        self.phase_began = self.epoch_began = self.stopwatch.seconds
        return state

    def train_epoch(self, state: TrainState) -> PhaseEnd | None:
        """Run one training pass with running metrics. Returns why the phase ends, if it does."""
        if set_trained_weights(self.config, self.model, state.phase, state.epoch):
            self.computer.begin_phase(self.phase_inputs[state.phase])
        phase_input = self.phase_inputs[state.phase]
        train, order = phase_input.train, phase_input.order(state.phase, state.epoch)
        end = self.compute_missing_features(state)
        if end is not None:
            return end
        # Reading results synchronizes with a GPU, so there it waits for the next progress event.
        is_cheap = phase_input.compute.device.type == "cpu"
        # Dropout and stochastic depth draw from this seed, independent of the steps before.
        first_seed = derive_seed(self.config.seed, "step", state.phase, state.epoch)
        self.meter = ThroughputMeter()
        for batch in train.epoch(state.phase, state.epoch, order, state.step):
            self.meter.data_arrived()
            end = self._sync_step(state, batch)
            if end is not None:
                return end
            self.unreadable.report(batch, train)
            self.samples.save(state, batch, train)
            self.step(state, batch, first_seed + state.step)
            self.meter.step_done(self.group.step_images)
            is_read = is_cheap or self.step_log.is_full
            if is_read:
                self.step_log.read(state, self.meter)
            is_emitted = self._emit_progress(state, "train", state.step, train.steps, state.metrics)
            if is_read or is_emitted:
                self.failure = self.failure or self.step_log.check_nonfinite(state)
            if self.failure:
                return PhaseEnd.FAILED
            self.meter.next_step()
        return None

    def compute_missing_features(self, state: TrainState) -> PhaseEnd | None:
        """Compute missing features of an earlier epoch, as after a resume without the cache."""
        train = self.phase_inputs[state.phase].train
        for done, batch in enumerate(train.missing(state.phase, state.epoch)):
            self.emit(Preparing(stage="computing features", done=done, total=train.steps))
            if self.computer.logits(state, batch) is None:
                return self._fail(state, self.computer.failure)
            # Synchronize now: the loop exchanges features after the last batch.
            end = self._sync_step(state)
            if end is not None:
                return end
        return self._sync_step(state) if self.group.size > 1 else None

    def step(self, state: TrainState, batch: Batch, seed: int) -> None:
        """Run one training step; a batch without a readable image changes no weights.

        Random draws of the network depend on `seed`. Nothing here synchronizes with the device,
        which also decides whether loss and gradient are finite.
        """
        if self.group.step_images:
            forwarded = self.computer.gradient(state, batch, seed)
            self.failure = self.computer.failure
            if self.failure:
                return
            self._update_weights(state, forwarded)
        state.advance()
        self.global_step = state.global_step

    def _update_weights(self, state: TrainState, forwarded: ForwardResult | None) -> None:
        """Clip the gradient, take the optimizer step and add its results to the step log."""
        norm = state.clip_gradient(self.config.clip_grad_norm)
        if forwarded is not None and self.group.size == 1:
            values = state.step_values(forwarded.loss, norm)
            self.step_log.add(state.step + 1, forwarded, values)
        else:
            loss, *hits = self.group.all_reduce_sum(
                micro_batches.local_step_sums(forwarded, self.group.size, norm.device)
            )
            values = torch.cat([state.step_values(loss, norm), torch.stack(hits)])
            self.step_log.add_global(state.step + 1, self.group.step_images, values)
        state.take_step(values[:2])
        if state.ema:
            state.ema.update(state.phase_step + 1)

    def validate(self, state: TrainState) -> tuple[PassResult, PhaseEnd | None]:
        """Run one validation pass. The result is complete only if no phase end is returned."""
        state.validation_pending = True
        self.group.sync_buffers(self.model)
        if state.ema:
            self.group.sync_buffers(state.ema.net)
        self.model.eval()
        val = self.phase_inputs[state.phase].val
        metrics = self.evaluation = EvaluationMetrics(val.dataset.paths)
        meter, self.meter = self.meter, ThroughputMeter()
        for step, batch in enumerate(val.epoch(state.phase, state.epoch), 1):
            self.meter.data_arrived()
            end = self._sync_step(state, batch)
            if end is not None:
                return metrics.result(), end
            self.unreadable.report(batch, val)
            self.validation_step(state, batch, metrics)
            self.meter.step_done(self.group.step_images)
            self._emit_progress(state, "val", step, val.steps, metrics)
            if self.failure:
                return metrics.result(), self._fail(state, self.failure)
            self.meter.next_step()
        self.meter = meter
        if self.group.size > 1:
            end = self._sync_step(state)
            if end is not None:
                return metrics.result(), end
        metrics.gather(self.group)
        return metrics.result(), None

    def validation_step(self, state: TrainState, batch: Batch, metrics: EvaluationMetrics) -> None:
        """Evaluate one batch; one without a readable image is skipped."""
        logits = self.computer.logits(state, batch) if len(batch.labels) else None
        self.failure = self.computer.failure
        if logits is not None:
            labels = batch.labels.to(logits.device, non_blocking=True)
            loss = cross_entropy(logits, labels)
            metrics.add_samples(loss, logits, labels, batch.indices)

    def finish_epoch(self, state: TrainState, val: PassResult) -> PhaseEnd | None:
        """Update schedule, early stopping and best; emit and save. Returns why the phase ends."""
        lr = state.lr
        planned = len(self.phase_inputs[state.phase].val.dataset)
        is_complete = val.count >= planned
        by_class = self.evaluation.class_means()
        this = Best(state.phase, state.epoch, val.top1, val.top5, val.loss, *by_class)
        if is_complete:
            monitored = this.value(state.stopping.monitor)
            state.schedule.end_epoch(monitored, state.phase_step)
            state.stopping = state.stopping.update(monitored)
        else:
            self.emit(event_factory.incomplete_validation(state, val.count, planned))
        phase_best = is_complete and this.beats(state.phase_best, state.best_monitor)
        best = is_complete and this.beats(state.best, state.best_monitor)
        if phase_best:
            this = replace(this, temperature=self.evaluation.temperature())
            state.set_best(this)
        if best:
            state.best = self.best = this
        self._update_record(state)
        train = state.metrics.result()
        event = event_factory.epoch_ended(
            state, train, this, lr=lr, best=best, phase_best=phase_best, meter=self.meter
        )
        end = self._phase_end(state, state.epoch)
        state.end = end.value if end else None
        state.epoch, state.step, state.validation_pending = state.epoch + 1, 0, False
        state.metrics = RunningMetrics()
        self.epoch_began = self.stopwatch.seconds

        self.emit(event)
        evaluated = self.evaluation.take_event(state.phase, event.epoch)
        if evaluated is not None:
            self.emit(evaluated)
        self.history.add(event)
        if phase_best:
            self.checkpoints.save_best(state)
        self.save_last(state)
        return end

    def save_last(self, state: TrainState) -> None:
        """Save the state as the checkpoint to resume from."""
        self._update_record(state)
        self.checkpoints.save_last(state)

    def save_manual(self, state: TrainState) -> str:
        """Save the state as a manual checkpoint; returns the file name."""
        self._update_record(state)
        return self.checkpoints.save_manual(state)

    def _update_record(self, state: TrainState) -> None:
        """Update the metrics and times in the state, which describe the training so far."""
        self.step_log.read(state, self.meter)
        state.run_seconds = self.stopwatch.seconds
        state.phase_seconds = self.stopwatch.seconds - self.phase_began
        state.epoch_seconds = self.stopwatch.seconds - self.epoch_began

    def _phase_end(self, state: TrainState, epochs_done: int) -> PhaseEnd | None:
        if epochs_done >= self.config.phases.get(state.phase).epochs:
            return PhaseEnd.EPOCHS
        return PhaseEnd.EARLY_STOPPING if state.stopping.exhausted else None

    def _sync_step(self, state: TrainState, batch: Batch | None = None) -> PhaseEnd | None:
        """Save if it is time, then apply commands and synchronize all ranks."""
        if self.checkpoints.seconds_since_last() >= 60 * self.config.checkpoint.every_minutes:
            self.save_last(state)
        before = self.stopwatch.total_paused
        images = 0 if batch is None else batch.labels.shape[0]
        end = self.commands.handle_commands(state, images, self._is_due)
        self.meter.skip(self.stopwatch.total_paused - before)
        return end

    def _is_due(self) -> bool:
        return self.meter.due(self.stopwatch.seconds)

    def _fail(self, state: TrainState, reason: str) -> PhaseEnd:
        """Tell all ranks, in their next synchronization, why this one can't continue."""
        self.failure = reason
        self.group.sync_step(StepMessage(failure=reason))
        return PhaseEnd.FAILED

    def _emit_progress(
        self, state: TrainState, stage: str, step: int, steps: int, metrics: RunningMetrics
    ) -> bool:
        """Emit progress if it is due; returns whether it was."""
        if step not in (1, steps) and not self.group.is_due(self._is_due):
            return False
        self._update_record(state)
        result = metrics.global_result(self.group)
        self.emit(event_factory.progress(state, stage, step, steps, result, self.meter))
        for event in self.group.gather_events():
            self.emit(event)
        return True
