"""Start a run now or add it to the queue: the part of the new-run form that decides."""

from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.screen import Screen

from core.common.detached import run_detached
from core.common.errors import SetupError
from core.common.text import printable
from core.config.schema import Config
from tui.dialogs.choice import Choice, ChoiceDialog
from tui.viewmodel import new_run_form as forms
from tui.widgets.host import host

if TYPE_CHECKING:
    from tui.widgets.form_fields import FormFields

QUEUE, START = "queue", "start"
"""Answers of the dialog."""


def busy_dialog(run: str) -> ChoiceDialog:
    """Return the dialog shown instead of starting a run while another one trains: `run` is that of
    another process; empty for the run of this app, which trains one at a time."""
    choices = [Choice("q", "q", "Add the run to the queue, which starts it in its turn", QUEUE)]
    if run:
        choices.append(
            Choice("s", "s", "Start it now; both runs share memory and processors", START)
        )
        question = f"Run {printable(run)} is training on this machine."
    else:
        question = "A run is training in this app, which trains one run at a time."
    return ChoiceDialog("Add to the queue?", question, choices, "Back to the form")


class QueueingFormScreen(Screen[None]):
    """Base class for the new-run form: it starts the run that the fields describe."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # Its key is on its button.
        Binding("f7", "enqueue", "Add to queue", show=False,
                tooltip="Add the run to the queue, which starts its runs one after the other"),
    ]  # fmt: skip

    _fields: "FormFields"
    _base: forms.Base | None

    def checked_config(self, demo: bool) -> Config | None:
        """Return the configuration; None after showing why it is not valid."""
        raise NotImplementedError

    async def data_is_valid(self, config: Config, demo: bool) -> bool:
        """Return whether the data folder can be trained on, after showing why it cannot."""
        raise NotImplementedError

    def show_failure(self, message: str) -> None:
        """Show why the run was not started."""
        raise NotImplementedError

    def is_demo(self) -> bool:
        """Return whether the fields describe a run on the built-in images."""
        return forms.is_demo_form(self._fields.preset, self._fields.typed, self._base)

    def start_run(self, demo: bool) -> None:
        """Validate all fields and start the run."""
        config = self.checked_config(demo)
        if config is not None:
            self._launch(config, demo)

    def action_enqueue(self) -> None:
        """Validate all fields and add the run to the queue."""
        demo = self.is_demo()
        config = self.checked_config(demo)
        if config is not None:
            self._enqueue(config, demo)

    @work(exclusive=True, group="launch")
    async def _launch(self, config: Config, demo: bool) -> None:
        from tui.viewmodel.queued_run import run_in_training

        if not await self.data_is_valid(config, demo):
            return
        other = ""
        if not host(self).training:
            other = await run_detached(run_in_training, host(self).runs_dir)
        if host(self).training or other:
            answer = await self.app.push_screen_wait(busy_dialog(other))
            if answer == QUEUE:
                await self._add(config, demo)
            if answer != START:
                return
        error = host(self).launch(config)
        if error:
            self.show_failure(error)

    @work(exclusive=True, group="launch")
    async def _enqueue(self, config: Config, demo: bool) -> None:
        if await self.data_is_valid(config, demo):
            await self._add(config, demo)

    async def _add(self, config: Config, demo: bool) -> None:
        """Add the run to the queue, and show the queue."""
        from core.queue.store import Queue
        from tui.screens.queue import QueueScreen
        from tui.viewmodel import queued_run

        if host(self).refuse_change():
            return
        fields = self._fields
        options = queued_run.arguments(fields.preset, fields.typed, demo, self._base, config)
        try:
            queue = Queue(host(self).runs_dir)
            job, message = await run_detached(queued_run.add_run, queue, config, options)
        except SetupError as error:
            self.show_failure(str(error))
            return
        self.notify(message, markup=False)
        below = self.app.screen_stack[-2]
        if isinstance(below, QueueScreen):
            below.select(job)
            self.dismiss(None)
        else:
            host(self).open_queue(job)
