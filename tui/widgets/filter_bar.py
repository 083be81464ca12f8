"""Line above the run list with the query that filters and sorts it."""

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

_EXAMPLE = "status:finished top1>0.95 model:atto -tag:old sort:-top1"


class FilterBar(Vertical):
    """Field for a query, with an error message below it."""

    class Changed(Message):
        """The query has changed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, text: str) -> None:
        super().__init__(id="filter")
        self._field = Input(text, placeholder=_EXAMPLE, compact=True, id="query")
        self._error = Static(id="query-error", markup=False)
        self._error.display = False

    def compose(self) -> ComposeResult:
        """Create the field and its label."""
        with Horizontal():
            yield Static(Content("Filter"), id="query-label")
            yield self._field
        yield self._error

    @property
    def typing(self) -> bool:
        """Whether the field has the focus."""
        return self._field.has_focus

    def begin(self) -> None:
        """Focus the field."""
        self._field.focus()

    def set_query(self, text: str) -> None:
        """Replace the query."""
        self._field.value = text

    def show_error(self, error: str) -> None:
        """Show an error message; empty to hide it."""
        self._error.display = bool(error)
        self._error.update(Content(error))

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value))
