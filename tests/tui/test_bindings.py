import ast
from pathlib import Path

from textual.binding import Binding

from tests.tui.bindings import all_bindings

HERE = Path(__file__).parent
_BY_SHELLS_ALONE = {"ctrl+z"}
"""It stops the process that presses it."""
_PLAYS_ALL = {"bindings.py", "monkey.py", "test_monkey.py"}


def written_in_tests() -> set[str]:
    """Every text that a test of the app contains: keys are pressed by their names."""
    texts: set[str] = set()
    for file in HERE.glob("*.py"):
        if file.name not in _PLAYS_ALL:
            tree = ast.parse(file.read_text("utf-8"))
            constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
            texts |= {node.value for node in constants if isinstance(node.value, str)}
    return texts


def test_every_binding_says_what_it_does() -> None:
    for owner, binding in all_bindings():
        assert isinstance(binding, Binding)
        assert binding.description, f"{owner.__name__}: {binding.key}"
        assert binding.tooltip, f"{owner.__name__}: {binding.key}"


def test_every_binding_is_pressed_in_a_test() -> None:
    texts = written_in_tests()
    untested = [
        f"{owner.__name__}: {binding.key}"
        for owner, binding in all_bindings()
        if not (texts | _BY_SHELLS_ALONE) & set(binding.key.split(","))
    ]
    assert untested == []
