"""The line above the run list that says which runs are shown, and in which order."""

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

_EXAMPLE = "status:finished top1>0.95 model:atto -tag:old sort:-top1"


class FilterBar(Vertical):
    """A field for a query, and below it what is wrong with that."""

    class Typed(Message):
        """The query has changed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, text: str) -> None:
        super().__init__(id="filter")
        self._field = Input(text, placeholder=_EXAMPLE, compact=True, id="query")
        self._problem = Static(id="query-problem", markup=False)
        self._problem.display = False

    def compose(self) -> ComposeResult:
        """Lay the field beside its name."""
        with Horizontal():
            yield Static(Content("filter"), id="query-label")
            yield self._field
        yield self._problem

    @property
    def typing(self) -> bool:
        """Whether keys go into the field."""
        return self._field.has_focus

    def begin(self) -> None:
        """Let the person type."""
        self._field.focus()

    def put(self, text: str) -> None:
        """Show a query that was made elsewhere."""
        self._field.value = text

    def complain(self, problem: str) -> None:
        """Say what is wrong with the query; nothing when it is understood."""
        self._problem.display = bool(problem)
        self._problem.update(Content(problem))

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(event.value))
