"""Dialog about the run that trains in this process when the app is closed."""

from core.common.text import printable
from tui.dialogs.choice import Choice, ChoiceDialog

DETACH, STOP = "detach", "stop"
"""Answers of the dialog."""
_ID = "quit"


def quit_dialog(run_name: str) -> ChoiceDialog:
    """Return the dialog that asks whether to detach from the run or to stop it."""
    choices = [
        Choice(
            "d",
            "d",
            "Close the app; training continues in this terminal and prints one line per epoch",
            DETACH,
        ),
        Choice("x", "x", "Save a checkpoint at the next step and stop the run", STOP),
    ]
    question = f"{printable(run_name)} is training in this process."
    return ChoiceDialog("Quit while training?", question, choices, "Stay in the app", id=_ID)


def is_quit_dialog(screen: object) -> bool:
    """Return whether a screen is the dialog of `quit_dialog`."""
    return isinstance(screen, ChoiceDialog) and screen.id == _ID
